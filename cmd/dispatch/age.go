package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// age is a duration that may be given in days: "14d", "1d12h", "2h30m".
type age time.Duration

const day = 24 * time.Hour

// UnmarshalText reads a duration.
func (a *age) UnmarshalText(text []byte) error {
	days, rest, found := strings.Cut(string(text), "d")
	if !found {
		days, rest = "0", string(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	left := time.Duration(0)
	if err == nil && (rest != "" || !found) {
		left, err = time.ParseDuration(rest)
	}
	if err != nil || left < 0 {
		return fmt.Errorf("%q is no duration such as 90s, 2h30m or 14d", text)
	}
	*a = age(time.Duration(n)*day + left)
	return nil
}
