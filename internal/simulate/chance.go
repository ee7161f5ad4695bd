package simulate

import "time"

// dice are random numbers that depend on nothing but the seed and the name of what they decide: whatever else happens
// in a run, in whatever order, the same thing is decided in the same way.
type dice uint64

func newDice(seed uint64, names ...string) *dice {
	h := seed ^ 0xcbf29ce484222325
	for _, name := range names {
		for _, c := range []byte(name) {
			h = (h ^ uint64(c)) * 0x100000001b3
		}
		h = (h ^ 0xff) * 0x100000001b3
	}
	d := dice(h)
	d.next()
	return &d
}

// next is splitmix64. https://prng.di.unimi.it/splitmix64.c
func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// float is in [0, 1).
func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

func (d *dice) chance(p float64) bool { return d.float() < p }

// below is in [0, n), of n at least 1.
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// between is from least, inclusive, to most.
func (d *dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.float()*float64(most-least))
}

func one[T any](d *dice, of ...T) T { return of[d.below(len(of))] }
