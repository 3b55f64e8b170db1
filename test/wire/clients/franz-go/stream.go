package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var sayMutex sync.Mutex

func say(format string, values ...any) {
	sayMutex.Lock()
	defer sayMutex.Unlock()
	fmt.Println(strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", " "))
}

// connections says what a client notices of its connections.
type connections struct{}

func (connections) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		say("! cannot connect")
	}
}

func streamWrite(c *kgo.Client, topic string, partitions, rate int, writing *atomic.Bool) {
	began := time.Now()
	for n := 0; writing.Load(); {
		if n >= int(time.Since(began).Seconds()*float64(rate)) {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		number := n
		n++
		record := &kgo.Record{Topic: topic, Partition: int32(number % partitions), Value: []byte("0:" + strconv.Itoa(number))}
		c.Produce(context.Background(), record, func(record *kgo.Record, err error) {
			if err == nil {
				say("+ %d %d %d", number, record.Partition, record.Offset)
			} else {
				say("- %d %v", number, err)
			}
		})
	}
	check(c.Flush(context.Background()))
	say("written")
}

func streamWatch(c *kgo.Client) {
	for {
		fetches := c.PollFetches(context.Background())
		fetches.EachError(func(_ string, _ int32, err error) { say("! %v", err) })
		var read strings.Builder
		fetches.EachRecord(func(record *kgo.Record) { fmt.Fprintf(&read, "= %s\n", record.Value) })
		sayMutex.Lock()
		fmt.Print(read.String())
		sayMutex.Unlock()
	}
}

// stream is a producer and a watching consumer for rounds of faults (test/cluster): what it writes, prints and reads from stdin is as in
// java/StreamScenario.java.
func stream(bootstrap, topic string, partitions, rate int, group string) {
	var writing atomic.Bool
	writing.Store(true)
	seeds := kgo.SeedBrokers(strings.Split(bootstrap, ",")...)
	hooks := kgo.WithHooks(connections{})
	producer, err := kgo.NewClient(seeds, hooks, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(err)
	consumer, err := kgo.NewClient(seeds, hooks, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	go streamWrite(producer, topic, partitions, rate, &writing)
	go streamWatch(consumer)
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if commands.Text() == "end" {
			writing.Store(false)
		}
	}
}
