package main

import "testing"

func TestAmountsOfMemory(t *testing.T) {
	for text, want := range map[string]byteSize{
		"800M": 800 << 20, "2G": 2 << 30, "1.5G": 1536 << 20, "512MB": 512 << 20, "4GiB": 4 << 30,
		"": 0, "800": 0, "M": 0, "5M": 0, "-2G": 0, "2T": 0, "2GG": 0, "NaNG": 0, "1e9G": 0, "2 G": 0,
	} {
		var got byteSize
		if err := got.Set(text); got != want || (err != nil) != (want == 0) {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}
