#!/usr/bin/env python3
"""server_kill_test.py FOURFOLD [KILLS]: a server is killed (SIGKILL) at random moments while clients send events and have
users forgotten. Whatever was acknowledged holds when it is up again: each event in the log once, each forgotten user
gone; what was under way is there whole or not at all."""
import collections
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 3
RECIPE = """
name: kill_test
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular}]
"""


def fail(message):
    sys.exit(f"FAILED: {message}")


class Server:
    def __init__(self, program, directory):
        self.process = subprocess.Popen([program, "serve", "-d", directory, "--port", "0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.port, lines = None, []
        for line in self.process.stdout:
            lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                return
        fail("the server did not start:\n" + "".join(lines))

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)


def ask(connection, method, path, body=None):
    connection.request(method, path, body and json.dumps(body))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


class Client:
    """Sends batches of events for users of its own, some of them twice, and has a user forgotten now and then."""

    def __init__(self, number):
        self.number, self.random = number, random.Random(number)
        self.sent, self.acknowledged = {}, set()  # id -> user; ids
        self.forgotten, self.asked_to_forget = set(), set()
        self.user_number, self.problem = 0, None

    def run(self, server):
        try:
            connection = server.connect()
            while True:
                self.send(connection)
                if self.random.random() < 0.05:
                    self.forget(connection)
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            pass  # killed under its hands

    def send(self, connection):
        user = f"u{self.number}_{self.user_number}"
        batch = []
        for _ in range(self.random.choice([1, 1, 5, 40])):
            name = f"e{self.number}_{len(self.sent)}"
            self.sent[name] = user
            batch.append({"event": "interaction", "id": name, "type": "view", "user": user,
                          "item": f"i{self.random.randrange(50)}"})
        status, answer = ask(connection, "POST", "/v1/events", batch)
        if status != 200 or any(result["outcome"] != "accepted" for result in answer["results"]):
            self.problem = f"events: {status} {answer}"
        self.acknowledged.update(event["id"] for event in batch)
        if self.random.random() < 0.1:
            again = [dict(batch[0])]
            status, answer = ask(connection, "POST", "/v1/events", again)
            if status != 200 or answer["results"][0]["outcome"] != "duplicate":
                self.problem = f"an event sent twice: {status} {answer}"

    def forget(self, connection):
        user = f"u{self.number}_{self.user_number}"
        self.user_number += 1
        self.asked_to_forget.add(user)
        status, answer = ask(connection, "DELETE", f"/v1/users/{user}")
        if status not in (200, 204):
            self.problem = f"DELETE of a user: {status} {answer}"
        self.forgotten.add(user)


def check(program, directory, clients):
    log = subprocess.run([program, "export", "-d", directory], capture_output=True, text=True)
    if log.returncode != 0:
        fail(f"export: {log.stderr}")
    seen = collections.Counter()
    for line in log.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "interaction":
            seen[event["id"]] += 1
    doubled = [name for name, count in seen.items() if count > 1]
    if doubled:
        fail(f"doubled: {doubled[:5]}")
    for client in clients:
        for name, user in client.sent.items():
            if user in client.forgotten and name in seen:
                fail(f"{name} of the forgotten {user} is there")
            if name in client.acknowledged and user not in client.asked_to_forget and name not in seen:
                fail(f"{name} of {user} was acknowledged and is lost")
        # An erasure that was under way has happened whole or not at all.
        for user in client.asked_to_forget - client.forgotten:
            acknowledged = [name for name in client.acknowledged if client.sent[name] == user]
            there = sum(name in seen for name in acknowledged)
            if there not in (0, len(acknowledged)):
                fail(f"{user} is forgotten in part: {there} of {len(acknowledged)} events are there")


def main():
    program, kills = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8
    moments = random.Random(5)
    with tempfile.TemporaryDirectory() as work:
        directory, recipe = os.path.join(work, "engine"), os.path.join(work, "recipe.yaml")
        with open(recipe, "w") as file:
            file.write(RECIPE)
        subprocess.run([program, "init", "--recipe", recipe, "-d", directory], check=True, stdout=subprocess.DEVNULL)
        clients = [Client(number) for number in range(CLIENTS)]
        for _ in range(kills):
            server = Server(program, directory)
            threads = [threading.Thread(target=client.run, args=[server]) for client in clients]
            for thread in threads:
                thread.start()
            time.sleep(moments.uniform(0.05, 1.0))
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            server.process.stdout.close()
            for thread in threads:
                thread.join()
            for client in clients:
                if client.problem:
                    fail(client.problem)
                # A user whose erasure nobody answered may be gone: no events are sent for them anew.
            check(program, directory, clients)
        acknowledged = sum(len(client.acknowledged) for client in clients)
        forgotten = sum(len(client.forgotten) for client in clients)
        if acknowledged < 100 * kills or forgotten == 0:
            fail(f"too little happened: {acknowledged} events, {forgotten} users forgotten")
        print(f"{kills} kills, {acknowledged} events acknowledged, {forgotten} users forgotten: all as acknowledged")


if __name__ == "__main__":
    main()
