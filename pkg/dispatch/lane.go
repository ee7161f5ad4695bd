package dispatch

import (
	"hash/fnv"
	"strconv"
)

// Lane names the shard of the queue's due index that a task belongs to. One lane bears what one DynamoDB
// partition bears, 500 tasks a second; a queue's number of lanes (at least 1) is only ever raised.
func Lane(queue, id string, lanes int) string {
	return queue + "#" + strconv.Itoa(shard(id, lanes))
}

// HistoryLane names the shard of a queue's history of failures that a task belongs to.
func HistoryLane(queue, id string, lanes int) string {
	return queue + historyMark + strconv.Itoa(shard(id, lanes))
}

const historyMark = "!failed#"

// Lanes names all live lanes of a queue that has n.
func Lanes(queue string, n int) []string { return numbered(queue+"#", n) }

// HistoryLanes names all lanes of the history of a queue that has n.
func HistoryLanes(queue string, n int) []string { return numbered(queue+historyMark, n) }

func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = prefix + strconv.Itoa(i)
	}
	return names
}

func shard(id string, lanes int) int {
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32() % uint32(max(lanes, 1)))
}
