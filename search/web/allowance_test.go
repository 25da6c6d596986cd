package web

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestManySearchesTakeTheirShareOfTheProcessorsAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAllowance(2)
		const each = 10 * time.Millisecond // a request
		around := aroundASearch
		ofThat := time.Duration(float64(each) / around) // the search
		search := func() {
			if err := a.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.spend(ofThat)
		}
		began := time.Now()
		for range int(longestBurst / each) {
			search()
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the first of them wait for %s", waited)
		}
		const more = 600 // six seconds of processors, of which 0.3 a second are to be had
		for range more {
			search()
		}
		if waited := time.Since(began).Round(time.Second); waited != 20*time.Second {
			t.Errorf("%d more take %s", more, waited)
		}
		time.Sleep(time.Minute) // what is not taken is not saved up for ever
		began = time.Now()
		for range more {
			search()
		}
		if waited := time.Since(began).Round(time.Second); waited != 13*time.Second {
			t.Errorf("after a pause they take %s", waited)
		}
	})
}

func TestWhoWaitsForTheProcessorsGivesUpWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAllowance(1)
		a.spend(time.Hour)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := a.wait(ctx); err == nil {
			t.Error("it gets what is not there")
		}
	})
}

func TestOnlySearchesBesideAWorkerAreCharged(t *testing.T) {
	for _, working := range []bool{false, true} {
		s := &Server{Config: Config{Working: func() bool { return working }}, allowance: newAllowance(1)}
		before := s.allowance.left
		_, charge, err := s.besideWorker(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); time.Since(began) < 50*time.Millisecond; { // takes the processor
		}
		charge()
		if charged := s.allowance.left < before; charged != working {
			t.Errorf("with a worker (%v) %v is left of %v", working, s.allowance.left, before)
		}
	}
}
