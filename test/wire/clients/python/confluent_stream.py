"""A producer and a watching consumer of confluent-kafka (librdkafka), for rounds of faults (test/cluster). Usage:

confluent_stream.py BOOTSTRAP stream TOPIC PARTITIONS RATE GROUP

What it writes, prints and reads from stdin: as java/StreamScenario.java.
"""
import os
import sys
import threading
import time

from confluent_kafka import Consumer, Producer

lock = threading.Lock()
writing = True


def say(text):
    with lock:
        sys.stdout.write(text.replace("\n", " ") + "\n")
        sys.stdout.flush()


def heard(error):
    say(f"! {error.name()}")


def delivered(error, message):
    n = message.value().decode().split(":")[1]
    say(f"+ {n} {message.partition()} {message.offset()}" if error is None else f"- {n} {error}")


def write(bootstrap, topic, partitions, rate):
    sender = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "error_cb": heard, "on_delivery": delivered})
    began = time.monotonic()
    n = 0
    while writing:
        if n >= (time.monotonic() - began) * rate:
            sender.poll(0.005)
            continue
        try:
            sender.produce(topic, value=f"0:{n}", partition=n % partitions)
            n += 1
        except BufferError:
            sender.poll(0.1)
    left = sender.flush(300)
    say("written" if left == 0 else f"- -1 {left} records were never answered")


def watch(bootstrap, topic, group):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "error_cb": heard})
    consumer.subscribe([topic])
    while True:
        for message in consumer.consume(500, 0.2):
            say(f"! {message.error().name()}" if message.error() else f"= {message.value().decode()}")


if __name__ == "__main__":
    bootstrap, _, topic, partitions, rate, group = sys.argv[1:]
    threading.Thread(target=write, args=(bootstrap, topic, int(partitions), int(rate)), daemon=True).start()
    threading.Thread(target=watch, args=(bootstrap, topic, group), daemon=True).start()
    for line in sys.stdin:
        if line.strip() == "end":
            writing = False
    os._exit(0)
