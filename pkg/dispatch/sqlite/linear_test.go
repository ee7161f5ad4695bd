package sqlite_test

import (
	"testing"

	"example.com/dispatch/pkg/dispatch/storetest/linear"
)

func TestLinearizable(t *testing.T) { linear.Run(t, open(t, file(t)), 200) }
