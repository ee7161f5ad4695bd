package dispatch

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// Lane names the shard of the queue's due index that a task belongs to. One lane bears what one DynamoDB
// partition bears, 500 tasks a second; a queue's number of lanes (at least 1) is only ever raised. Tasks of a tenant that
// the settings name are in lanes of its own: see [Settings.Lane].
func Lane(queue, id string, lanes int) string {
	return queue + "#" + strconv.Itoa(shard(id, lanes))
}

const (
	historyMark = "!failed#"
	tenantMark  = "~" // no name of a queue or a tenant holds it
)

// own names the part of a queue that has a tenant's lanes, as Lane takes a queue.
func own(queue, tenant string) string { return queue + tenantMark + tenant }

// historyOf returns the lane of the queue's history of failures that belongs to a live lane.
func historyOf(lane string) string {
	queue, shard, _ := strings.Cut(lane, "#")
	return queue + historyMark + shard
}

// liveLane returns the live lane that a lane of the history belongs to.
func liveLane(lane string) string {
	queue, shard, _ := strings.Cut(lane, "#")
	return strings.TrimSuffix(queue, "!failed") + "#" + shard
}

// QueueOf returns the queue that a lane, live or of the history, belongs to.
func QueueOf(lane string) string {
	queue, _, _ := strings.Cut(part(lane), tenantMark)
	return queue
}

// TenantOf returns the tenant whose tasks alone are in a lane, live or of the history; "" for one that many share.
func TenantOf(lane string) string {
	_, tenant, _ := strings.Cut(part(lane), tenantMark)
	return tenant
}

func part(lane string) string {
	name, _, _ := strings.Cut(lane, "#")
	return strings.TrimSuffix(name, "!failed")
}

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
