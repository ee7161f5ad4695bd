package sqlite

import "example.com/dispatch/pkg/dispatch"

// A row that changes its size is moved about within its page, which costs more than writing it. So every row has
// some room, a column of zeros, that makes up for what settles change: each time the row takes as many bytes as
// before, and SQLite writes it in its place. What changes and the room make up firstRoom bytes, enough for the
// outcome of a first attempt, or as many steps more as it takes.
const (
	firstRoom = 72
	roomStep  = longText - 2 // no room is as long as a longText
)

// room returns how much of it a row is to have, in bytes, whose progress takes so many.
func room(t dispatch.Task, progress int) int64 {
	used := 0
	for _, n := range []int{len(t.State), len(t.Reason), len(t.Lane), len(t.Identifier), progress} {
		if used += n; n >= longText {
			used++
		}
	}
	for _, n := range []int64{dispatch.Millis(t.EndedAt), dispatch.Millis(t.DueAt), int64(t.Lapses), seconds(t.TTL)} {
		used += integerSize(n)
	}
	whole := firstRoom
	if used > whole {
		whole += (used - whole + roomStep - 1) / roomStep * roomStep
	}
	return int64(whole - used)
}

// longText is the length from which a text's own length takes a byte more.
// https://www.sqlite.org/fileformat2.html#record_format
const longText = 58

// integerSize returns how many bytes a number takes in a row.
func integerSize(n int64) int {
	if n == 0 || n == 1 {
		return 0
	}
	if n < 0 {
		n = ^n
	}
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<15:
		return 2
	case n < 1<<23:
		return 3
	case n < 1<<31:
		return 4
	case n < 1<<47:
		return 6
	default:
		return 8
	}
}
