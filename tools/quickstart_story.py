#!/usr/bin/env python3
"""Tells, against a running server, what one customer's action does to their feed.

usage: quickstart_story.py URL

Everything printed comes from the server's answers. The customer buys something new (chosen below from goods with
plain names); nothing else happens between the two feeds.
"""
import argparse
import datetime
import http.client
import json
import time
import urllib.parse

CUSTOMER = "17929"
FEED_LENGTH = 10
# Goods that many shops order together with others of their kind.
PURCHASES = ["22697", "22382", "20725", "22326", "84879", "22720"]


class Server:
    """One kept-alive connection, as a client would hold it."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def call(self, method, path, body=None):
        """Returns the answer and how long it took in milliseconds."""
        started = time.perf_counter()
        self.connection.request(method, path, None if body is None else json.dumps(body),
                                {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        content = response.read()
        took_ms = (time.perf_counter() - started) * 1000
        if response.status >= 300:
            raise SystemExit(f"{method} {path} answered {response.status}: {content.decode()}")
        return json.loads(content), took_ms


class Names:
    """Item ids in words, from the catalogue."""

    def __init__(self, server):
        self.server = server
        self.known = {}

    def of(self, item):
        if item not in self.known:
            answer, _ = self.server.call("GET", f"/v1/items/{urllib.parse.quote(item)}")
            self.known[item] = str(answer["fields"].get("description") or item).strip().capitalize()
        return self.known[item]


def day(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc).strftime("%d %b %Y")


def timestamp_ms(event):
    value = event["timestamp"]
    if isinstance(value, (int, float)):
        return value
    if value.lstrip("-").isdigit():
        return int(value)
    return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000


def tell_history(actions, names):
    purchases = [action for action in actions if action["type"] == "purchase"]
    print(f"Customer {CUSTOMER} bought most recently:")
    for action in purchases[:5]:
        print(f"    {day(timestamp_ms(action))}  {names.of(action['item'])}")
    return {action["item"] for action in actions}


def why(item, names):
    """The strongest reason for an item, in words."""
    if not item["contributions"]:
        return "to fill the slate"
    strongest = max(item["contributions"], key=lambda contribution: contribution["blended"])
    if strongest.get("because_item"):
        if strongest["because_item"] == item["item"]:
            return f"{strongest['retriever']}: bought before"
        return f"{strongest['retriever']}: because of {names.of(strongest['because_item'])}"
    return f"{strongest['retriever']}: number {strongest['rank']} of its list"


def tell_feed(feed, names, before=None):
    places = {item["item"]: place for place, item in enumerate(before["items"], 1)} if before else {}
    for place, item in enumerate(feed["items"], 1):
        moved = ""
        if before:
            was = places.get(item["item"])
            moved = "new" if was is None else "" if was == place else f"was {was}"
        print(f"  {place:2}. {names.of(item['item'])[:38]:38}  {moved:6}  {why(item, names)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    arguments = parser.parse_args()
    server = Server(arguments.url)
    names = Names(server)

    history, _ = server.call("GET", f"/v1/users/{CUSTOMER}/actions?limit=200")
    owned = tell_history(history["actions"], names)

    request = {"user": CUSTOMER, "limit": FEED_LENGTH, "explain": True, "log_slate": False}
    before, took_ms = server.call("POST", "/v1/recommend", request)
    print(f"\nThe feed, in {took_ms:.1f} ms:")
    tell_feed(before, names)

    shown = {item["item"] for item in before["items"]}
    bought = next(item for item in PURCHASES if item not in owned and item not in shown)
    event = {"event": "interaction", "id": f"quickstart-{before['request_id']}", "user": CUSTOMER,
             "item": bought, "type": "purchase"}
    _, acknowledged_ms = server.call("POST", "/v1/events", event)
    acknowledged = time.perf_counter()
    print(f"\nThe customer buys: {names.of(bought)} (acknowledged, on disk, in {acknowledged_ms:.1f} ms)")

    after, took_ms = server.call("POST", "/v1/recommend", request)
    since_ms = (time.perf_counter() - acknowledged) * 1000
    newest = after["history"][0]
    if newest["item"] != bought:
        raise SystemExit(f"the newest action in the feed's history is {newest['item']}, not {bought}")
    print(f"\nThe feed again, {since_ms:.1f} ms after the acknowledgement ({took_ms:.1f} ms to answer):")
    tell_feed(after, names, before)
    fresh = [item for item in after["items"] if item["item"] not in shown]
    because = sum(any(c.get("because_item") == bought for c in item["contributions"]) for item in after["items"])
    print(f"\n{len(fresh)} of {len(after['items'])} items are new; {because} owe most of a retriever's score to that purchase.")

    print(f"""
Go on alone:

    curl -s {arguments.url}/v1/recommend -d '{{"user": "{CUSTOMER}", "limit": 5, "explain": true}}' | jq
    curl -s {arguments.url}/v1/events -d '{{"event": "interaction", "user": "{CUSTOMER}", "item": "22423", "type": "purchase"}}' | jq
    curl -s '{arguments.url}/v1/items/22423/similar?limit=5' | jq
    curl -s {arguments.url}/v1/recommend -d '{{"user": "{CUSTOMER}", "filter": "price < 2", "why_not_item": "22423"}}' | jq
    curl -s {arguments.url}/metrics""")


if __name__ == "__main__":
    main()
