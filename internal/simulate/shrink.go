package simulate

import (
	"maps"
	"slices"
)

// shrink finds a part of a run that fails as well, with fewer faults and acts: runs tries one. What is left out changes
// nothing of what is left, for all dice are named after what they decide.
func shrink(o options, first result, runs func(options) result) options {
	o.without, o.leave = map[string]bool{}, map[int]bool{}
	for i := -1; i < first.acts; i++ { // -1: that a task is asked for again
		o.leave[i] = true
	}
	fails := func() bool { return runs(o).violation != "" }
	if !fails() {
		return o
	}
	for shrunk := true; shrunk; {
		shrunk = false
		for _, i := range slices.Backward(slices.Sorted(maps.Keys(o.leave))) {
			delete(o.leave, i)
			if fails() {
				shrunk = true
			} else {
				o.leave[i] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys((&faults{}).kinds())) {
			if o.without[name] {
				continue
			}
			o.without[name] = true
			if fails() {
				shrunk = true
			} else {
				delete(o.without, name)
			}
		}
	}
	return o
}
