package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"shoebox/storage"
)

// metrics are what GET /metrics shows: of this process, and of the library as
// storage and search know it at that moment.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	// decoded and captioned are seconds.
	decoded, captioned prometheus.Histogram
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		server:   s,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shoebox_http_request_seconds", Help: "How long requests took, by route and status.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10},
		}, []string{"route", "status"}),
		decoded: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shoebox_thumbnail_seconds", Help: "How long it took to read a photo and make a small picture of it.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
		}),
		captioned: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shoebox_caption_seconds", Help: "How long it took to caption an uploaded picture.",
			Buckets: []float64{.03, .1, .3, 1, 3, 10, 30, 100},
		}),
	}
	m.registry.MustRegister(s.Metrics...)
	m.registry.MustRegister(m.requests, m.decoded, m.captioned, libraryCollector{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// show answers GET /metrics.
func (m *metrics) show(w http.ResponseWriter, r *http.Request) error {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// count measures requests. Streams last as long as somebody listens and are
// left out.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(counted, r)
		route := r.Pattern // the mux writes it down; never a path, of which there is no end
		if route == "" {
			route = "none"
		}
		if route != "GET /api/events" {
			m.requests.WithLabelValues(route, strconv.Itoa(counted.status)).Observe(time.Since(began).Seconds())
		}
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // not one that announces another
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// mostLag is how many changes that search does not show are counted.
const mostLag = 100_000

// libraryCollector asks storage and search when it is asked.
type libraryCollector struct{ server *Server }

var (
	descUp      = prometheus.NewDesc("shoebox_database_up", "1 while the database answers.", nil, nil)
	descPhotos  = prometheus.NewDesc("shoebox_photos", "Photos with a caption: all, those of which the model is unsure, and those edited by a person.", []string{"state"}, nil)
	descFiles   = prometheus.NewDesc("shoebox_files", "Files by state.", []string{"state"}, nil)
	descQueue   = prometheus.NewDesc("shoebox_queue_files", "Files that wait or are in hand.", nil, nil)
	descRate    = prometheus.NewDesc("shoebox_files_per_second", "Files that all workers finished a second in the last minute.", nil, nil)
	descPaused  = prometheus.NewDesc("shoebox_paused", "1 while workers are told to take nothing new.", nil, nil)
	descIndexed = prometheus.NewDesc("shoebox_index_photos", "Photos that search knows.", nil, nil)
	descLag     = prometheus.NewDesc("shoebox_index_lag_photos", "Photos whose changes search does not show yet; 100000 stands for that many or more.", nil, nil)
	descHeld    = prometheus.NewDesc("shoebox_index_held_back_photos", "Of these, those that wait for an open transaction of the database.", nil, nil)
	descLagTime = prometheus.NewDesc("shoebox_index_lag_seconds", "How long search has not shown some change, as far as this process saw.", nil, nil)
)

// Describe implements prometheus.Collector.
func (libraryCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descPhotos, descFiles, descQueue, descRate, descIndexed, descLag, descHeld, descLagTime, descPaused} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector. What cannot be had now is left out.
func (c libraryCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), statusLimit)
	defer stop()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	status, err := c.server.Store.Status(ctx)
	if err != nil {
		gauge(descUp, 0)
	} else {
		gauge(descUp, 1)
		showStatus(gauge, status)
	}
	info, infoErr := c.server.Index.Info(ctx)
	if infoErr != nil {
		return
	}
	gauge(descIndexed, float64(info.Photos))
	if err != nil {
		return
	}
	if lag, err := c.server.Store.Lag(ctx, info.Cursor, mostLag); err == nil {
		gauge(descLag, float64(lag.Photos))
		gauge(descHeld, float64(lag.HeldBack))
		gauge(descLagTime, c.server.lag.seconds(lag.Photos > 0 || lag.Restart))
	}
}

func showStatus(gauge func(*prometheus.Desc, float64, ...string), status storage.Status) {
	gauge(descPhotos, float64(status.Photos), "captioned")
	gauge(descPhotos, float64(status.Unsure), "unsure")
	gauge(descPhotos, float64(status.Edited), "edited")
	t := status.Total
	for state, n := range map[string]int{"pending": t.Pending, "leased": t.Leased, "done": t.Done, "failed": t.Failed,
		"unsupported": t.Unsupported, "missing": t.Missing, "retrying": t.Retrying} {
		gauge(descFiles, float64(n), state)
	}
	gauge(descQueue, float64(t.Pending+t.Leased))
	paused := 0.0
	if !status.PausedSince.IsZero() {
		paused = 1
	}
	gauge(descPaused, paused)
	rate := 0.0
	for _, w := range status.Workers {
		rate += w.PerSecond
	}
	gauge(descRate, rate)
}
