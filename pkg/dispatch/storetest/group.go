package storetest

import (
	"testing"

	"example.com/dispatch/pkg/dispatch"
)

// testGroup plays what happens to groups; see [play] for how a step and a chain are written.
func testGroup(t *testing.T, store dispatch.Store) {
	for _, p := range []policy{
		// Who joins.
		{"alone", "put a", "a"},
		{"behind a head", "put a; put b", "a b"},
		{"three in order", "put a; put b; put c", "a b c"},
		{"many members in one call keep the order of the arguments", "put c a d b", "c a d b"},
		{"behind what an earlier call put", "put a b; put c d", "a b c d"},
		{"members of several groups and of none in one call", "put a x@h p@ b y@h q@ c", "a b c | h: x y | : p | : q"},
		{"behind a head that is leased", "put a; claim a; put b", "a b"},
		{"behind a head that will be tried again", "put a; retry a; put b", "a b"},
		{"behind a held head", "put a; hold a; put b", "held:a b"},
		{"nobody is behind the ended", "put a; deliver a; put b", "b"},
		{"a put repeated, its own", "put a b c; repeat b; repeat a b c; repeat c", "a b c"},
		{"a put repeated after the end of the head", "put a b c; deliver a -> b; repeat b c", "b c"},
		{"a put of ids that exist", "put a b c; enqueue b; enqueue c a", "a b c"},
		{"a put of ids that exist, and new ones", "put a b; enqueue b; put c; enqueue a", "a b c"},
		{"a put of an id that has ended", "put a b; deliver a -> b; enqueue a", "b"},

		// Whose turn it is.
		{"the end hands over", "put a b; deliver a -> b", "b"},
		{"a failure hands over", "put a b; fail a -> b", "b"},
		{"one end after another", "put a b c; deliver a -> b; fail b -> c; deliver c", ""},
		{"nobody waited", "put a; deliver a", ""},
		{"a group that was empty for a while", "put a; deliver a; put b c; deliver b -> c", "c"},
		{"one joins behind the next", "put a b; deliver a -> b; put c; deliver b -> c", "c"},
		{"another attempt hands nothing over", "put a b; retry a", "a b"},
		{"another attempt, then the end", "put a b; retry a; deliver a -> b", "b"},
		{"a settle repeated says again who is next", "put a b c; deliver a -> b; settle a -> b; settle a -> b", "b c"},
		{"a settle repeated when nobody waited", "put a; deliver a; settle a", ""},
		{"a settle repeated does not hand over to one put later", "put a; deliver a; put b c; settle a", "b c"},
		{"a settle repeated when the next has ended and joined again", "put a b c; deliver a -> b; deliver b -> c; again b; settle a", "c b"},
		{"a hold hands nothing over and leaves the lane", "put a b; hold a; settle a", "held:a b"},
		{"one group's end is no other's", "put a b x@h y@h; deliver a -> b", "b | h: x y"},

		// By hand.
		{"a head cancelled hands over", "put a b; cancel a -> b", "b"},
		{"a head cancelled when nobody waits", "put a; cancel a; put b", "b"},
		{"a held head tried again", "put a b; hold a; again a", "a b"},
		{"a held head tried again and delivered", "put a b; hold a; again a; deliver a -> b", "b"},
		{"a held head cancelled hands over", "put a b c; hold a; cancel a -> b", "b c"},
		{"a held head cancelled when nobody waits", "put a; hold a; cancel a; put b", "b"},
		{"a head moved", "put a b; move a", "a b"},
		{"one that waits moved", "put a b c; move b; deliver a -> b", "b c"},
		{"one that waits flagged", "put a b c; flag b; put d", "a b c d"},
		{"one that waits flagged, at its turn", "put a b c; flag b; deliver a -> b", "b c"},
		{"run again, alone", "put a; deliver a; again a", "a"},
		{"run again into a group that is empty", "put a b; deliver a -> b; deliver b; again a; put c", "a c"},
		{"run again behind the others", "put a b c; deliver a -> b; again a; put d", "b c a d"},
		{"run again, behind what was behind it", "put a b; deliver a -> b; again a; deliver b -> a", "a"},
		{"run again behind a held head", "put a b; deliver a -> b; hold b; again a", "held:b a"},
		{"run again and again", "put a b; deliver a -> b; again a; deliver b -> a; again b; deliver a -> b; deliver b", ""},
		{"an edit of one that has ended changes no chain", "put a b; deliver a -> b; note a; settle!lost a", "b"},
		{"a deletion of one that has ended changes no chain", "put a b c; deliver a -> b; delete a; put d", "b c d"},
		{"deletions of live ones are refused", "put a b; hold a; delete!conflict a; delete!conflict b", "held:a b"},
		{"one deleted is put again", "put a b; deliver a -> b; delete a; put a", "b a"},

		// Who may be claimed.
		{"one that waits is not claimed", "put a b; claim!refused b", "a b"},
		{"a held head is not claimed", "put a; hold a; claim!refused a", "held:a"},
		{"a plain task knows no turn", "put a@ b@; deliver a@", ": b"},
		{"a plain task held by hand comes back", "put a@; hold a@; again a@", ": a"},
	} {
		sub(t, store, p.name, func(f fixture) { f.play(p) })
	}
}
