//go:build linux

package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gatewheel/gatewheel/internal/histogram"
)

// emitter passes metrics to a scrape.
type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) counter(f *family, value float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(f.desc, prometheus.CounterValue, value, labels...)
}

func (e emitter) gauge(f *family, value float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, value, labels...)
}

// flag emits 1 for true and 0 for false.
func (e emitter) flag(f *family, value bool, labels ...string) {
	n := 0.0
	if value {
		n = 1
	}
	e.gauge(f, n, labels...)
}

func (e emitter) times(f *family, total histogram.Totals, labels ...string) {
	e.out <- &times{f, prometheus.MakeLabelPairs(f.desc, labels), total}
}

// times is a histogram of durations. It is classic and native at once, which the const metrics of client_golang cannot
// be: the text format has classic buckets only, and Prometheus reads the native ones through protobuf, where it is asked
// to. Both come from the same counters. Of the 29 bounds, factor two apart, the classic histogram has every other one
// within the range of its family: a series for each.
type times struct {
	family *family
	labels []*dto.LabelPair
	total  histogram.Totals
}

// Desc implements prometheus.Metric.
func (t *times) Desc() *prometheus.Desc { return t.family.desc }

// Write implements prometheus.Metric.
func (t *times) Write(out *dto.Metric) error {
	count, sum := t.total.Count(), t.total.Sum.Seconds()
	out.Label = t.labels
	out.Histogram = &dto.Histogram{SampleCount: &count, SampleSum: &sum}
	t.writeClassic(out.Histogram)
	t.writeNative(out.Histogram)
	return nil
}

func (t *times) writeClassic(h *dto.Histogram) {
	least, most := t.family.least, t.family.most
	buckets := make([]dto.Bucket, (most-least)/2+1)
	bounds := make([]float64, len(buckets))
	counts := make([]uint64, len(buckets))
	h.Bucket = make([]*dto.Bucket, len(buckets))
	below, next := uint64(0), 0
	for i := range buckets {
		exponent := least + 2*i
		for ; histogram.Least+next <= exponent; next++ {
			below += t.total.Counts[next]
		}
		bounds[i], counts[i] = math.Ldexp(1, exponent), below
		buckets[i].UpperBound, buckets[i].CumulativeCount = &bounds[i], &counts[i]
		h.Bucket[i] = &buckets[i]
	}
}

// writeNative writes buckets of schema 0, whose bucket i ends at 2^i. The first bucket is the one around zero; the
// last, without a bound, becomes the next regular one.
func (t *times) writeNative(h *dto.Histogram) {
	schema, threshold, zero := int32(0), math.Ldexp(1, histogram.Least), t.total.Counts[0]
	h.Schema, h.ZeroThreshold, h.ZeroCount = &schema, &threshold, &zero
	first, end := 1, histogram.Buckets
	for first < end && t.total.Counts[first] == 0 {
		first++
	}
	for end > first && t.total.Counts[end-1] == 0 {
		end--
	}
	offset, length := int32(0), uint32(end-first)
	if length > 0 {
		offset = int32(histogram.Least + first)
	}
	h.PositiveSpan = []*dto.BucketSpan{{Offset: &offset, Length: &length}} // without buckets too: it marks a native histogram
	before := int64(0)
	for _, n := range t.total.Counts[first:end] {
		h.PositiveDelta = append(h.PositiveDelta, int64(n)-before)
		before = int64(n)
	}
}
