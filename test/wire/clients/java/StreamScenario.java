// A producer and a watching consumer of the Java client, for rounds of faults (test/cluster). Usage:
//   java -cp LIBS StreamScenario BOOTSTRAP stream TOPIC PARTITIONS RATE GROUP
//
// Writes `0:<n>` to partition n % PARTITIONS, RATE a second, acks=all and idempotent, everything else as the client has it. Prints
//   + N PARTITION OFFSET   acknowledged        - N MESSAGE   came to nothing
//   = VALUE                read by the group   ! MESSAGE     an error the consumer was told
// The line `end` on stdin ends the writing; `written` is printed when all is answered. The end of stdin ends the program.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class StreamScenario {
  static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  static volatile boolean writing = true;

  static Properties settings(String bootstrap) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    return settings;
  }

  static String line(Throwable error) {
    return error.toString().replace('\n', ' ');
  }

  static void write(String bootstrap, String topic, int partitions, int rate) throws InterruptedException {
    Properties settings = settings(bootstrap);
    settings.put("acks", "all");
    settings.put("enable.idempotence", true);
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      long began = System.nanoTime();
      for (int n = 0; writing; ) {
        long wanted = (System.nanoTime() - began) * rate / 1_000_000_000L;
        if (n >= wanted) {
          Thread.sleep(5);
          continue;
        }
        int number = n++;
        producer.send(
            new ProducerRecord<>(topic, number % partitions, null, "0:" + number),
            (metadata, error) -> {
              if (error == null) out.println("+ " + number + " " + metadata.partition() + " " + metadata.offset());
              else out.println("- " + number + " " + line(error));
            });
      }
      producer.flush();
    }
    out.println("written");
  }

  static void watch(String bootstrap, String topic, String group) {
    Properties settings = settings(bootstrap);
    settings.put("group.id", group);
    settings.put("auto.offset.reset", "earliest");
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      while (true) {
        try {
          StringBuilder read = new StringBuilder();
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) read.append("= ").append(record.value()).append('\n');
          out.print(read);
          out.flush();
        } catch (RuntimeException error) {
          out.println("! " + line(error));
        }
      }
    }
  }

  public static void main(String[] args) throws Exception {
    Thread watcher = new Thread(() -> watch(args[0], args[2], args[5]));
    watcher.setDaemon(true);
    watcher.start();
    Thread writer =
        new Thread(
            () -> {
              try {
                write(args[0], args[2], Integer.parseInt(args[3]), Integer.parseInt(args[4]));
              } catch (InterruptedException | RuntimeException error) {
                out.println("- -1 " + line(error));
              }
            });
    writer.setDaemon(true);
    writer.start();
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String command = commands.readLine(); command != null; command = commands.readLine()) if (command.equals("end")) writing = false;
    Runtime.getRuntime().halt(0);
  }
}
