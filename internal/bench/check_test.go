package main

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckComparesWithTheBaseline(t *testing.T) {
	for _, c := range []struct {
		name   string
		c      compared
		missed bool
	}{
		{"the same speed", compared{worse: worseBelow, baseline: 0.4, measured: 0.4}, false},
		{"less by noise", compared{worse: worseBelow, baseline: 0.4, measured: 0.3}, false},
		{"half the speed", compared{worse: worseBelow, baseline: 0.4, measured: 0.2}, true},
		{"faster", compared{worse: worseBelow, baseline: 0.4, measured: 2}, false},
		{"longer by noise", compared{worse: worseAbove, baseline: 2, measured: 2.6}, false},
		{"twice the time", compared{worse: worseAbove, baseline: 2, measured: 4}, true},
		{"less time", compared{worse: worseAbove, baseline: 2, measured: 0.2}, false},
		{"as many writes", compared{worse: worseOther, baseline: 5, measured: 5}, false},
		{"a write more", compared{worse: worseOther, baseline: 5, measured: 6}, true},
		{"a write less", compared{worse: worseOther, baseline: 5, measured: 4}, true},
	} {
		if c.c.missed() != c.missed {
			t.Errorf("%s: missed is %v", c.name, !c.missed)
		}
		err := report(&strings.Builder{}, []compared{c.c}, nil)
		if errors.Is(err, errSlower) != c.missed {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCheckTakesTheBetterTry(t *testing.T) {
	for _, c := range []struct {
		worse           worse
		one, two, taken float64
	}{
		{worseBelow, 0.2, 0.4, 0.4}, {worseBelow, 0.4, 0.2, 0.4}, {worseAbove, 4, 2, 2}, {worseAbove, 2, 4, 2}, {worseOther, 6, 5, 6},
	} {
		if got := (compared{worse: c.worse, measured: c.one}).better(compared{worse: c.worse, measured: c.two}); got.measured != c.taken {
			t.Errorf("of %v and %v: %v", c.one, c.two, got.measured)
		}
	}
}

func TestCheckWantsWhatIsRecorded(t *testing.T) {
	measured := []figure{{Part: "claim", Name: "500 of 1000 pending", Value: 20}, {Part: "claim", Name: "ratio", Value: 1.2}}
	for _, c := range []struct {
		name     string
		recorded map[string]float64
		ok       bool
	}{
		{"the same figures", map[string]float64{"ratio": 1.1}, true},
		{"nothing recorded", nil, false},
		{"more recorded than measured", map[string]float64{"ratio": 1.1, "ratio of old": 1}, false},
	} {
		got, err := compare("claim", c.recorded, measured)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.ok && (len(got) != 1 || got[0].baseline != 1.1 || got[0].measured != 1.2) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	writes, err := compare("writes", map[string]float64{"delivered": 5}, []figure{{Part: "writes", Name: "delivered", Value: 6}})
	if err != nil || len(writes) != 1 || !writes[0].missed() {
		t.Errorf("a write more: %+v, %v", writes, err)
	}
}
