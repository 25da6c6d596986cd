package storage

import (
	"math"
	"testing"
)

func TestLogOddsAreZeroForAWordAsLikelyAsEver(t *testing.T) {
	v := Vocabulary{Smallest: 1e-4, Words: []PictureWord{{Prior: 0.2}}}
	if odds := v.LogOdds(0, 0.2); odds != 0 {
		t.Errorf("%g", odds)
	}
	if odds := v.LogOdds(0, 0.4); math.Abs(odds-math.Log(2)) > 1e-3 {
		t.Errorf("%g, want about log 2", odds)
	}
	if odds := v.LogOdds(0, 0); math.IsInf(odds, 0) {
		t.Error("a word that is impossible has infinite log-odds")
	}
}

func TestEvidenceIsALogOddsInSixteenthsOfANat(t *testing.T) {
	v := Vocabulary{Smallest: 1e-4, Words: []PictureWord{{Prior: 0.2}, {Prior: 1e-5}, {Prior: 0.999}}}
	for _, tc := range []struct {
		says        string
		word        int
		probability float64
		want        byte
	}{
		{"as likely as ever", 0, 0.2, 128},
		{"twice as likely", 0, 0.4, 128 + 11}, // 16 log 2 = 11.09
		{"half as likely", 0, 0.1, 128 - 11},
		{"a rare word for certain: 9.1 nats are more than a byte holds", 1, 1, 255},
		{"an impossible common word: -9.2 nats", 2, 0, 0},
	} {
		if got := v.Evidence(tc.word, tc.probability); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.says, got, tc.want)
		}
	}
	for p := 0.001; p < 1; p += 0.001 {
		if off := math.Abs(EvidenceNats(v.Evidence(0, p)) - v.LogOdds(0, p)); off > 1.0/32+1e-9 {
			t.Errorf("the evidence of probability %g is off by %g nats", p, off)
		}
		if back := v.Probability(0, v.Evidence(0, p)); math.Abs(back-p) > p/31 {
			t.Errorf("the probability %g comes back as %g", p, back)
		}
	}
	if p := v.Probability(2, 255); p != 1 {
		t.Errorf("the most evidence for a common word is the probability %g", p)
	}
	if p := v.Probability(1, 0); p != 0 {
		t.Errorf("the least evidence for a rare word is the probability %g", p)
	}
}
