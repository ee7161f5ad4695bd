package storetest_test

import (
	"testing"

	"example.com/dispatch/pkg/dispatch"
	"example.com/dispatch/pkg/dispatch/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) dispatch.Store { return new(storetest.Memory) })
}
