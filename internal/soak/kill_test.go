package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A short run of what the command does for long.
func TestKill(t *testing.T) {
	o := options{seed: rand.Uint64(), cycles: 5, folder: t.TempDir()}
	r, err := kill(t.Context(), o)
	var table strings.Builder
	if writing := r.write(&table); err != nil || writing != nil || r.failed() {
		t.Errorf("%v, %v", err, writing)
	}
	t.Log(table.String())
}
