package picture

import (
	"context"
	"testing"
	"time"
)

func TestABudgetHoldsForAllWhoShareIt(t *testing.T) {
	b := NewBudget(400)
	if b.MostFile() != 100 || b.MostDecoding() != 300 {
		t.Fatalf("of 400 bytes a file may have %d and a decoder %d", b.MostFile(), b.MostDecoding())
	}
	release, err := b.Decoding(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	if releaseFile, err := b.File(t.Context(), 100); err != nil {
		t.Errorf("what decoders take is missing for files: %v", err)
	} else {
		releaseFile()
	}
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := b.Decoding(short, 101); err == nil {
		t.Error("more is given out than there is")
	}
	waits := make(chan error)
	go func() {
		release, err := b.Decoding(t.Context(), 300)
		release()
		waits <- err
	}()
	release()
	if err := <-waits; err != nil {
		t.Errorf("what was given back is not given out: %v", err)
	}
}
