"""Scenarios of kafka-python, a client in Python alone. Usage: kafka_python.py BOOTSTRAP COMMAND ARGS..., as confluent.py."""
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

DEADLINE = 60


def check(condition, text):
    if not condition:
        raise SystemExit(f"failed: {text}")


def produce(bootstrap, topic, codec):
    sender = KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, acks="all", linger_ms=20)
    sent = []
    for n, line in enumerate(sys.stdin.buffer.read().splitlines()):
        key, value = line.split(b"\t", 1)
        sent.append(sender.send(topic, key=key, value=value, headers=[("source", b"kafka-python"), ("n", str(n).encode())]))
    sender.flush(DEADLINE)
    for each in sent:
        each.get(timeout=DEADLINE)
    sender.close()


def consume(bootstrap, topic, count):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, check_crcs=True)
    partitions = [TopicPartition(topic, index) for index in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    deadline = time.time() + DEADLINE
    left = int(count)
    while left > 0 and time.time() < deadline:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                source = dict(record.headers).get("source", b"")
                sys.stdout.buffer.write(b"\t".join([record.key or b"", record.value, source]) + b"\n")
                left -= 1
    consumer.close()
    check(left == 0, f"{left} records did not come")


def group(bootstrap, topic, name):
    sender = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    seen = set()

    def send(start, end):
        for n in range(start, end):
            sender.send(topic, value=str(n).encode(), partition=n % 4)
        sender.flush(DEADLINE)

    def member():
        made = KafkaConsumer(bootstrap_servers=bootstrap, group_id=name, auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=10000)
        made.subscribe([topic])
        return made

    def poll(active, done, what):
        deadline = time.time() + DEADLINE
        while not done():
            check(time.time() < deadline, what)
            for each in active:
                for records in each.poll(timeout_ms=100).values():
                    seen.update(int(record.value) for record in records)

    send(0, 100)
    first = member()
    poll([first], lambda: len(first.assignment()) == 4, "the first member did not get all partitions")
    second = member()
    poll([first, second], lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2, "two members did not share")
    send(100, 200)
    poll([first, second], lambda: len(seen) == 200, "not every record was read by two")
    second.close()
    poll([first], lambda: len(first.assignment()) == 4, "the remaining member did not get all partitions back")
    first.close()


def by_time(bootstrap, topic):
    start = int(time.time() * 1000) - 1_000_000
    sender = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for n in range(100):
        sender.send(topic, value=str(n).encode(), partition=0, timestamp_ms=start + n * 1000)
    sender.flush(DEADLINE)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partition = TopicPartition(topic, 0)
    found = consumer.offsets_for_times({partition: start + 50_500})[partition]
    consumer.close()
    check(found.offset == 51, f"offset {found.offset} instead of 51")


COMMANDS = {"produce": produce, "consume": consume, "group": group, "time": by_time}

if __name__ == "__main__":
    COMMANDS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
    print("done", file=sys.stderr)
