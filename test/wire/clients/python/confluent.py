"""Scenarios of confluent-kafka (librdkafka). Usage: confluent.py BOOTSTRAP COMMAND ARGS...

produce TOPIC CODEC       rows `key<TAB>value` from stdin, each with the headers source and n
consume TOPIC COUNT       rows `key<TAB>value<TAB>source`, from the beginning of every partition
group TOPIC GROUP         two members share four partitions, one leaves, every record is read
time TOPIC                offsets by time, and reading from there
admin TOPIC               create, describe, grow, configure, delete
"""
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType

DEADLINE = 60


def check(condition, text):
    if not condition:
        raise SystemExit(f"failed: {text}")


def producer(bootstrap, **settings):
    return Producer({"bootstrap.servers": bootstrap, **settings})


def delivered(errors):
    def on_delivery(error, _message):
        if error is not None:
            errors.append(str(error))

    return on_delivery


def produce(bootstrap, topic, codec):
    errors = []
    sender = producer(bootstrap, **{"compression.type": codec, "enable.idempotence": True, "linger.ms": 20})
    for n, line in enumerate(sys.stdin.buffer.read().splitlines()):
        key, value = line.split(b"\t", 1)
        sender.produce(topic, key=key, value=value, headers=[("source", b"confluent"), ("n", str(n).encode())], on_delivery=delivered(errors))
        sender.poll(0)
    check(sender.flush(DEADLINE) == 0, "records left unsent")
    check(not errors, errors[:1])


def partitions_of(bootstrap, topic):
    return sorted(AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=20).topics[topic].partitions)


def reader(bootstrap, group, **settings):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, "check.crcs": True, **settings})


def consume(bootstrap, topic, count):
    consumer = reader(bootstrap, "unused")
    consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in partitions_of(bootstrap, topic)])
    deadline = time.time() + DEADLINE
    left = int(count)
    while left > 0 and time.time() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        check(message.error() is None, message.error())
        source = dict(message.headers() or []).get("source", b"")
        sys.stdout.buffer.write(b"\t".join([message.key() or b"", message.value(), source]) + b"\n")
        left -= 1
    consumer.close()
    check(left == 0, f"{left} records did not come")


def group(bootstrap, topic, name):
    sender = producer(bootstrap)
    seen = set()

    def send(start, end):
        for n in range(start, end):
            sender.produce(topic, key=str(n), value=str(n), partition=n % 4)
        check(sender.flush(DEADLINE) == 0, "records left unsent")

    members = [reader(bootstrap, name, **{"session.timeout.ms": 10000}) for _ in range(2)]

    def poll(active, done, what):
        deadline = time.time() + DEADLINE
        while not done():
            check(time.time() < deadline, what)
            for member in active:
                message = member.poll(0.05)
                if message is not None and message.error() is None:
                    seen.add(int(message.value()))
                    member.commit(message, asynchronous=False)

    send(0, 100)
    members[0].subscribe([topic])
    poll(members[:1], lambda: len(members[0].assignment()) == 4, "the first member did not get all partitions")
    members[1].subscribe([topic])
    poll(members, lambda: [len(member.assignment()) for member in members] == [2, 2], "two members did not share")
    send(100, 200)
    poll(members, lambda: len(seen) == 200, "not every record was read by two")
    members[1].close()
    poll(members[:1], lambda: len(members[0].assignment()) == 4, "the remaining member did not get all partitions back")
    send(200, 300)
    poll(members[:1], lambda: len(seen) == 300, "not every record was read by the remaining member")
    committed = members[0].committed([TopicPartition(topic, index) for index in range(4)], timeout=20)
    members[0].close()
    check([each.offset for each in committed] == [75] * 4, f"committed {[each.offset for each in committed]}")


def by_time(bootstrap, topic):
    start = int(time.time() * 1000) - 1_000_000
    sender = producer(bootstrap)
    for n in range(100):
        sender.produce(topic, value=str(n), partition=0, timestamp=start + n * 1000)
    check(sender.flush(DEADLINE) == 0, "records left unsent")
    consumer = reader(bootstrap, "unused")
    found = consumer.offsets_for_times([TopicPartition(topic, 0, start + 50_500)], timeout=20)[0]
    check(found.offset == 51, f"offset {found.offset} instead of 51")
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
    check((low, high) == (0, 100), f"watermarks {low} {high}")
    consumer.assign([found])
    deadline = time.time() + DEADLINE
    message = None
    while message is None and time.time() < deadline:
        message = consumer.poll(0.5)
    consumer.close()
    check(message is not None and message.value() == b"51" and message.timestamp()[1] == start + 51_000, "another record")


def admin(bootstrap, topic):
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "3600000"})])[topic].result(20)
    try:
        client.create_topics([NewTopic(topic, 2, 1)])[topic].result(20)
        check(False, "a topic was created twice")
    except KafkaException as error:
        check(error.args[0].name() == "TOPIC_ALREADY_EXISTS", error)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    config = client.describe_configs([resource])[resource].result(20)
    check(config["retention.ms"].value == "3600000", config["retention.ms"])
    change = ConfigResource(ResourceType.TOPIC, topic)
    change.add_incremental_config(ConfigEntry("max.message.bytes", "100000", incremental_operation=AlterConfigOpType.SET))
    client.incremental_alter_configs([change])[change].result(20)
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(20)
    deadline = time.time() + DEADLINE
    while len(partitions_of(bootstrap, topic)) != 5 or client.describe_configs([resource])[resource].result(20)["max.message.bytes"].value != "100000":
        check(time.time() < deadline, "the changes did not show")
        time.sleep(0.05)
    client.delete_topics([topic])[topic].result(20)
    while topic in client.list_topics(timeout=20).topics:
        check(time.time() < deadline, "the topic did not go")
        time.sleep(0.05)


COMMANDS = {"produce": produce, "consume": consume, "group": group, "time": by_time, "admin": admin}

if __name__ == "__main__":
    COMMANDS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
    print("done", file=sys.stderr)
