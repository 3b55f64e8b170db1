// Scenarios of the Java client. Usage: java -cp LIBS ClientScenario.java BOOTSTRAP COMMAND ARGS..., as franz-go/main.go.

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class ClientScenario {
  static final long DEADLINE_MS = 60_000;
  static String bootstrap;

  static void check(boolean condition, String text) {
    if (!condition) {
      System.err.println("failed: " + text);
      System.exit(1);
    }
  }

  static KafkaProducer<String, String> producer(String codec) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("compression.type", codec);
    settings.put("linger.ms", 20);
    return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(String group, String assignor) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("group.id", group);
    settings.put("auto.offset.reset", "earliest");
    settings.put("enable.auto.commit", "false");
    settings.put("session.timeout.ms", "10000");
    settings.put("heartbeat.interval.ms", "500");
    if (assignor != null) settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
    return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
  }

  static void produce(String topic, String codec) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    List<Future<?>> sent = new ArrayList<>();
    try (KafkaProducer<String, String> producer = producer(codec)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        int tab = line.indexOf('\t');
        ProducerRecord<String, String> record = new ProducerRecord<>(topic, line.substring(0, tab), line.substring(tab + 1));
        record.headers().add("source", "java".getBytes(StandardCharsets.UTF_8)).add("n", Integer.toString(sent.size()).getBytes(StandardCharsets.UTF_8));
        sent.add(producer.send(record));
      }
      producer.flush();
      for (Future<?> each : sent) each.get();
    }
  }

  static List<TopicPartition> partitions(Consumer<?, ?> consumer, String topic) {
    return consumer.partitionsFor(topic).stream().map(each -> new TopicPartition(topic, each.partition())).toList();
  }

  static void consume(String topic, int count) {
    PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, StandardCharsets.UTF_8);
    try (KafkaConsumer<String, String> consumer = consumer("unused", null)) {
      consumer.assign(partitions(consumer, topic));
      consumer.seekToBeginning(consumer.assignment());
      int left = count;
      for (long end = System.currentTimeMillis() + DEADLINE_MS; left > 0 && System.currentTimeMillis() < end; ) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
          Header source = record.headers().lastHeader("source");
          out.print(record.key() + "\t" + record.value() + "\t" + (source == null ? "" : new String(source.value(), StandardCharsets.UTF_8)) + "\n");
          left--;
        }
      }
      out.flush();
      check(left == 0, left + " records did not come");
    }
  }

  static void poll(List<KafkaConsumer<String, String>> active, Set<String> seen, BooleanSupplier done, String what) {
    long end = System.currentTimeMillis() + DEADLINE_MS;
    while (!done.getAsBoolean()) {
      check(System.currentTimeMillis() < end, what);
      for (KafkaConsumer<String, String> member : active) {
        for (ConsumerRecord<String, String> record : member.poll(Duration.ofMillis(50))) seen.add(record.value());
      }
    }
  }

  static void send(KafkaProducer<String, String> producer, String topic, int from, int to) {
    for (int n = from; n < to; n++) producer.send(new ProducerRecord<>(topic, n % 4, null, Integer.toString(n)));
    producer.flush();
  }

  static void group(String topic, String group) throws Exception {
    for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
      String name = group + "-" + assignor;
      Set<String> seen = new HashSet<>();
      try (KafkaProducer<String, String> producer = producer("none"); KafkaConsumer<String, String> first = consumer(name, assignor)) {
        send(producer, topic, 0, 100);
        first.subscribe(List.of(topic));
        poll(List.of(first), seen, () -> first.assignment().size() == 4, "the first member did not get all partitions");
        KafkaConsumer<String, String> second = consumer(name, assignor);
        second.subscribe(List.of(topic));
        poll(List.of(first, second), seen, () -> first.assignment().size() == 2 && second.assignment().size() == 2, "two members did not share");
        send(producer, topic, 100, 200);
        poll(List.of(first, second), seen, () -> seen.size() == 200, "not every record was read by two");
        second.close();
        poll(List.of(first), seen, () -> first.assignment().size() == 4, "the remaining member did not get all partitions back");
        poll(List.of(first), seen, () -> first.assignment().stream().allMatch(each -> first.position(each) >= 50), "the remaining member did not read on");
        first.commitSync();
      }
      try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
        var offsets = admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get();
        check(offsets.size() == 4, "offsets of " + offsets.size() + " partitions");
        check(admin.describeClassicGroups(List.of(name)).all().get().get(name).members().isEmpty(), "members are left");
        admin.deleteConsumerGroups(List.of(name)).all().get();
      }
    }
  }

  static void byTime(String topic) throws Exception {
    long start = System.currentTimeMillis() - 1_000_000;
    try (KafkaProducer<String, String> producer = producer("none")) {
      for (int n = 0; n < 100; n++) producer.send(new ProducerRecord<>(topic, 0, start + n * 1000L, null, Integer.toString(n)));
      producer.flush();
    }
    TopicPartition partition = new TopicPartition(topic, 0);
    try (KafkaConsumer<String, String> consumer = consumer("unused", null)) {
      OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, start + 50_500)).get(partition);
      check(found.offset() == 51 && found.timestamp() == start + 51_000, "found " + found);
      consumer.assign(List.of(partition));
      consumer.seek(partition, found.offset());
      String first = null;
      for (long end = System.currentTimeMillis() + DEADLINE_MS; first == null && System.currentTimeMillis() < end; ) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) if (first == null) first = record.value();
      }
      check("51".equals(first), "read " + first + " first");
    }
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      long latest = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get().offset();
      check(latest == 99, "the greatest time is at " + latest);
    }
  }

  static void admin(String topic) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "3600000")))).all().get();
      try {
        admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
        check(false, "a topic was created twice");
      } catch (ExecutionException error) {
        check(error.getCause() instanceof TopicExistsException, error.toString());
      }
      ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
      admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("max.message.bytes", "100000"), AlterConfigOp.OpType.SET)))).all().get();
      admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
      Map<String, String> shown = new HashMap<>();
      for (long end = System.currentTimeMillis() + DEADLINE_MS; !"100000".equals(shown.get("max.message.bytes")) || !"5".equals(shown.get("partitions")); Thread.sleep(50)) {
        check(System.currentTimeMillis() < end, "the changes did not show");
        admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().forEach(each -> shown.put(each.name(), each.value()));
        shown.put("partitions", Integer.toString(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size()));
      }
      check("3600000".equals(shown.get("retention.ms")), "retention.ms is " + shown.get("retention.ms"));
      try (KafkaProducer<String, String> producer = producer("none")) {
        for (int n = 0; n < 10; n++) producer.send(new ProducerRecord<>(topic, 0, null, "x")).get();
      }
      TopicPartition partition = new TopicPartition(topic, 0);
      long low = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(6))).lowWatermarks().get(partition).get().lowWatermark();
      check(low == 6, "records deleted up to " + low);
      check(admin.describeCluster().nodes().get().size() >= 1, "no nodes");
      check(!admin.describeLogDirs(List.of(admin.describeCluster().nodes().get().iterator().next().id())).allDescriptions().get().isEmpty(), "no log directories");
      admin.deleteTopics(List.of(topic)).all().get();
      for (long end = System.currentTimeMillis() + DEADLINE_MS; admin.listTopics().names().get().contains(topic); Thread.sleep(50)) {
        check(System.currentTimeMillis() < end, "the topic did not go");
      }
    }
  }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    switch (args[1]) {
      case "produce" -> produce(args[2], args[3]);
      case "consume" -> consume(args[2], Integer.parseInt(args[3]));
      case "group" -> group(args[2], args[3]);
      case "time" -> byTime(args[2]);
      case "admin" -> admin(args[2]);
      default -> check(false, "unknown command " + args[1]);
    }
    System.err.println("done");
  }
}
