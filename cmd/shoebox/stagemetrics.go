package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"shoebox/indexer"
)

// stageCollector shows the worker's stages in /metrics.
type stageCollector struct{ stages *indexer.Stages }

var (
	descStageTime   = prometheus.NewDesc("shoebox_stage_seconds_total", "Time that photos spent in a stage of this process's worker, by the clock.", []string{"stage"}, nil)
	descStagePhotos = prometheus.NewDesc("shoebox_stage_photos_total", "Photos that came through a stage.", []string{"stage"}, nil)
	descBatches     = prometheus.NewDesc("shoebox_batch_pictures", "Pictures that the model was given at once.", nil, nil)
	descDecoded     = prometheus.NewDesc("shoebox_decoded_pictures", "Pictures that are decoded and wait for the model.", nil, nil)
)

// Describe implements prometheus.Collector.
func (stageCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descStageTime, descStagePhotos, descBatches, descDecoded} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c stageCollector) Collect(metrics chan<- prometheus.Metric) {
	figures := c.stages.Figures()
	described := 0.0
	for _, f := range figures.Stages {
		name := f.Stage.String()
		metrics <- prometheus.MustNewConstMetric(descStageTime, prometheus.CounterValue, f.Took.Seconds(), name)
		metrics <- prometheus.MustNewConstMetric(descStagePhotos, prometheus.CounterValue, float64(f.Photos), name)
		if f.Stage == indexer.Describing {
			described = float64(f.Photos)
		}
	}
	calls, upTo := uint64(0), make(map[float64]uint64)
	for _, b := range figures.Batches {
		calls += uint64(b.Calls)
		upTo[float64(b.Most)] = calls
	}
	metrics <- prometheus.MustNewConstHistogram(descBatches, calls, described, upTo)
	metrics <- prometheus.MustNewConstMetric(descDecoded, prometheus.GaugeValue, float64(figures.Queue))
}
