// Scenarios of franz-go. Usage: franzgo BOOTSTRAP COMMAND ARGS...
//
//	produce TOPIC CODEC    rows `key<TAB>value` from stdin, each with the headers source and n
//	consume TOPIC COUNT    rows `key<TAB>value<TAB>source`, from the beginning of every partition
//	group TOPIC GROUP      two members share four partitions (cooperative-sticky), one leaves, every record is read
//	time TOPIC             offsets by time, and reading from there
//	admin TOPIC            create, describe, grow, configure, delete
//	stream TOPIC PARTITIONS RATE GROUP   stream.go
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const deadline = 60 * time.Second

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func must(condition bool, format string, values ...any) {
	if !condition {
		check(fmt.Errorf(format, values...))
	}
}

func client(bootstrap string, options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)...)
	check(err)
	return made
}

func codecOf(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func produce(ctx context.Context, bootstrap, topic, codec string) {
	c := client(bootstrap, kgo.ProducerBatchCompression(codecOf(codec)), kgo.ProducerLinger(20*time.Millisecond))
	defer c.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	var mutex sync.Mutex
	var failed error
	for n := 0; lines.Scan(); n++ {
		key, value, _ := bytes.Cut(bytes.Clone(lines.Bytes()), []byte("\t"))
		headers := []kgo.RecordHeader{{Key: "source", Value: []byte("franz-go")}, {Key: "n", Value: []byte(strconv.Itoa(n))}}
		c.Produce(ctx, &kgo.Record{Topic: topic, Key: key, Value: value, Headers: headers}, func(_ *kgo.Record, err error) {
			if err != nil {
				mutex.Lock()
				failed = err
				mutex.Unlock()
			}
		})
	}
	check(c.Flush(ctx))
	check(failed)
}

func consume(ctx context.Context, bootstrap, topic, count string) {
	left, err := strconv.Atoi(count)
	check(err)
	c := client(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	out := bufio.NewWriter(os.Stdout)
	for left > 0 {
		fetches := c.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			source := ""
			for _, header := range record.Headers {
				if header.Key == "source" {
					source = string(header.Value)
				}
			}
			fmt.Fprintf(out, "%s\t%s\t%s\n", record.Key, record.Value, source)
			left--
		})
	}
	check(out.Flush())
}

type member struct {
	client *kgo.Client
	mutex  sync.Mutex
	owned  map[int32]bool
	stop   context.CancelFunc
	done   chan struct{}
}

func (m *member) count() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.owned)
}

func join(ctx context.Context, bootstrap, topic, group string, saw func(string)) *member {
	m := &member{owned: map[int32]bool{}, done: make(chan struct{})}
	change := func(add bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			for _, index := range topics[topic] {
				if add {
					m.owned[index] = true
				} else {
					delete(m.owned, index)
				}
			}
		}
	}
	m.client = client(bootstrap, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
		kgo.HeartbeatInterval(300*time.Millisecond), kgo.DisableAutoCommit())
	polling, stop := context.WithCancel(ctx)
	m.stop = stop
	go func() {
		defer close(m.done)
		for polling.Err() == nil {
			fetches := m.client.PollFetches(polling)
			fetches.EachRecord(func(record *kgo.Record) { saw(string(record.Value)) })
			if polling.Err() == nil {
				check(m.client.CommitUncommittedOffsets(ctx))
			}
		}
	}()
	return m
}

func (m *member) leave() {
	m.stop()
	<-m.done
	m.client.Close()
}

func until(what string, condition func() bool) {
	for end := time.Now().Add(deadline); !condition(); time.Sleep(20 * time.Millisecond) {
		must(time.Now().Before(end), "%s", what)
	}
}

func group(ctx context.Context, bootstrap, topic, name string) {
	sender := client(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer sender.Close()
	send := func(from, to int) {
		for n := from; n < to; n++ {
			sender.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(n)), Partition: int32(n % 4)}, func(_ *kgo.Record, err error) { check(err) })
		}
		check(sender.Flush(ctx))
	}
	var mutex sync.Mutex
	seen := map[string]bool{}
	saw := func(value string) { mutex.Lock(); seen[value] = true; mutex.Unlock() }
	read := func(count int) func() bool {
		return func() bool { mutex.Lock(); defer mutex.Unlock(); return len(seen) == count }
	}
	send(0, 100)
	first := join(ctx, bootstrap, topic, name, saw)
	until("the first member did not get all partitions", func() bool { return first.count() == 4 })
	second := join(ctx, bootstrap, topic, name, saw)
	until("two members did not share", func() bool { return first.count() == 2 && second.count() == 2 })
	send(100, 200)
	until("not every record was read by two", read(200))
	second.leave()
	until("the remaining member did not get all partitions back", func() bool { return first.count() == 4 })
	send(200, 300)
	until("not every record was read by the remaining member", read(300))
	first.leave()
	admin := kadm.NewClient(sender)
	described, err := admin.DescribeGroups(ctx, name)
	check(err)
	must(described[name].State == "Empty", "the group is %s", described[name].State)
	committed, err := admin.FetchOffsets(ctx, name)
	check(err)
	for index := int32(0); index < 4; index++ {
		offset, found := committed.Lookup(topic, index)
		must(found && offset.At <= 75 && offset.At >= 50, "partition %d committed at %d", index, offset.At)
	}
}

func byTime(ctx context.Context, bootstrap, topic string) {
	start := time.Now().Add(-1000 * time.Second).Truncate(time.Millisecond)
	c := client(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for n := 0; n < 100; n++ {
		c.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(n)), Timestamp: start.Add(time.Duration(n) * time.Second)}, func(_ *kgo.Record, err error) { check(err) })
	}
	check(c.Flush(ctx))
	at := start.Add(50500 * time.Millisecond).UnixMilli()
	listed, err := kadm.NewClient(c).ListOffsetsAfterMilli(ctx, at, topic)
	check(err)
	found, _ := listed.Lookup(topic, 0)
	must(found.Offset == 51, "offset %d instead of 51", found.Offset)
	c.Close()
	r := client(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AfterMilli(at)}}))
	defer r.Close()
	fetches := r.PollFetches(ctx)
	check(fetches.Err())
	must(string(fetches.Records()[0].Value) == "51", "another record")
}

func admin(ctx context.Context, bootstrap, topic string) {
	c := client(bootstrap)
	defer c.Close()
	a := kadm.NewClient(c)
	retention := "3600000"
	created, err := a.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, topic)
	check(err)
	check(created.Err)
	again, _ := a.CreateTopic(ctx, 2, 1, nil, topic)
	must(again.Err != nil, "a topic was created twice")
	grown, err := a.UpdatePartitions(ctx, 5, topic)
	check(err)
	check(grown.Error())
	size := "100000"
	altered, err := a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &size}}, topic)
	check(err)
	check(altered[0].Err)
	until("the changes did not show", func() bool {
		topics, err := a.ListTopics(ctx, topic)
		check(err)
		configs, err := a.DescribeTopicConfigs(ctx, topic)
		check(err)
		shown := map[string]string{}
		for _, config := range configs[0].Configs {
			shown[config.Key] = config.MaybeValue()
		}
		return len(topics[topic].Partitions) == 5 && shown["max.message.bytes"] == size && shown["retention.ms"] == retention
	})
	_, err = a.DescribeAllLogDirs(ctx, nil)
	check(err)
	deleted, err := a.DeleteTopic(ctx, topic)
	check(err)
	check(deleted.Err)
	until("the topic did not go", func() bool {
		topics, err := a.ListTopics(ctx)
		check(err)
		return !topics.Has(topic)
	})
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*deadline)
	defer cancel()
	bootstrap, args := os.Args[1], os.Args[3:]
	switch os.Args[2] {
	case "stream":
		partitions, err := strconv.Atoi(args[1])
		check(err)
		rate, err := strconv.Atoi(args[2])
		check(err)
		stream(bootstrap, args[0], partitions, rate, args[3])
	case "produce":
		produce(ctx, bootstrap, args[0], args[1])
	case "consume":
		consume(ctx, bootstrap, args[0], args[1])
	case "group":
		group(ctx, bootstrap, args[0], args[1])
	case "time":
		byTime(ctx, bootstrap, args[0])
	case "admin":
		admin(ctx, bootstrap, args[0])
	default:
		check(fmt.Errorf("unknown command %s", os.Args[2]))
	}
	fmt.Fprintln(os.Stderr, "done")
}
