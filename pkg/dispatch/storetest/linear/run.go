package linear

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/dispatch/pkg/dispatch"
	"github.com/anishathalye/porcupine"
)

const (
	clients  = 5
	calls    = 9 // each
	patience = time.Minute
)

// Run makes histories of a store that may hold other rows, and checks them. Half of them lose answers. LINEAR_SEED is the first
// one's seed; what happens at once is not the same again, so it may take some runs to see a failure again.
func Run(t *testing.T, store dispatch.Store, histories int) {
	first := rand.Uint64()
	if text := os.Getenv("LINEAR_SEED"); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	made, unknown := 0, 0
	for seed := first; seed != first+uint64(histories); seed++ {
		s := store
		if seed%2 == 0 {
			s = &lossy{Store: store, random: rand.New(rand.NewPCG(seed, clients))}
		}
		records, result := check(t, s, seed)
		if result != porcupine.Ok {
			t.Fatalf("LINEAR_SEED=%d: %s\n%s", seed, result, tell(records))
		}
		made += len(records)
		for _, r := range records {
			if r.Output.(answer).unknown {
				unknown++
			}
		}
	}
	t.Logf("linearizable: %d histories of %d calls, %d of them with an effect that is not known", histories, made, unknown)
}

// check makes one history and looks for an order that explains it.
func check(t *testing.T, store dispatch.Store, seed uint64) ([]porcupine.Operation, porcupine.CheckResult) {
	h := &history{store: store, id: fmt.Sprintf("linear-%x", seed)}
	h.play(t.Context(), seed, clients, calls)
	return h.records, porcupine.CheckOperationsTimeout(model(), h.records, patience)
}

// tell is a history in the order of its calls, with when each began and ended.
func tell(records []porcupine.Operation) string {
	slices.SortFunc(records, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%3d–%3d client %d: %s\n", r.Call, r.Return, r.ClientId, describe(r.Input.(call), r.Output.(answer)))
	}
	return b.String()
}
