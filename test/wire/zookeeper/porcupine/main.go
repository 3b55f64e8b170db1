// Checks histories of znode operations for linearizability with porcupine. Reads stdin: one history a line, JSON
// {"name", "operations": [{client, key, kind, value, version, call, end, outcome, sawVersion, sawValue}]}; `end` 0: no answer came, the
// operation may take effect at any time after its call, or never. Writes one line for each history that is not linearizable, and last the
// counts. Ends with 1 when there is one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Client     int    `json:"client"`
	Key        string `json:"key"`
	Kind       string `json:"kind"`
	Value      int    `json:"value"`
	Version    int    `json:"version"`
	Call       int64  `json:"call"`
	End        int64  `json:"end"`
	Outcome    string `json:"outcome"`
	SawVersion int    `json:"sawVersion"`
	SawValue   int    `json:"sawValue"`
}

type history struct {
	Name       string      `json:"name"`
	Operations []operation `json:"operations"`
}

// One znode.
type state struct {
	exists         bool
	version, value int
}

// What the operation answers on this state, and the state after it.
func apply(s state, op operation) (string, state) {
	if op.Kind == "create" {
		if s.exists {
			return "nodeExists", s
		}
		return "ok", state{true, 0, op.Value}
	}
	if !s.exists {
		return "noNode", s
	}
	if op.Kind == "get" {
		return "ok", s
	}
	if op.Version != -1 && op.Version != s.version {
		return "badVersion", s
	}
	if op.Kind == "delete" {
		return "ok", state{}
	}
	return "ok", state{true, s.version + 1, op.Value}
}

func step(before, input, output interface{}) (bool, interface{}) {
	op := input.(operation)
	answer, after := apply(before.(state), op)
	if op.Outcome == "unknown" {
		return true, after
	}
	if answer != op.Outcome {
		return false, before
	}
	if answer == "ok" && (op.Kind == "get" || op.Kind == "set") && op.SawVersion != after.version {
		return false, before
	}
	if answer == "ok" && op.Kind == "get" && op.SawValue != after.value {
		return false, before
	}
	return true, after
}

var model = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, each := range all {
			key := each.Input.(operation).Key
			byKey[key] = append(byKey[key], each)
		}
		parts := [][]porcupine.Operation{}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init:  func() interface{} { return state{} },
	Step:  step,
	Equal: func(a, b interface{}) bool { return a.(state) == b.(state) },
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<28)
	var histories, operations, unanswered, illegal, undecided int
	for lines.Scan() {
		var each history
		if err := json.Unmarshal(lines.Bytes(), &each); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		all := make([]porcupine.Operation, 0, len(each.Operations))
		for _, op := range each.Operations {
			end := op.End
			if end == 0 {
				end = math.MaxInt64
				unanswered++
			}
			all = append(all, porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Call, Output: op.Outcome, Return: end})
		}
		histories++
		operations += len(all)
		switch porcupine.CheckOperationsTimeout(model, all, time.Minute) {
		case porcupine.Illegal:
			illegal++
			fmt.Printf("%s: not linearizable\n", each.Name)
		case porcupine.Unknown:
			undecided++
			fmt.Printf("%s: not decided within a minute\n", each.Name)
		}
	}
	fmt.Printf("%d histories, %d operations, %d unanswered, %d not linearizable, %d undecided\n", histories, operations, unanswered, illegal, undecided)
	if illegal+undecided > 0 {
		os.Exit(1)
	}
}
