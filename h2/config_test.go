package h2

import (
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	var c Config
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.MaxConcurrentStreams != 250 || c.InitialWindowSize != 65535 || c.ConnectionWindow != 1<<20 || c.ConnectionBuffer != 4<<20 ||
		c.MaxFrameSize != 16384 || c.MaxHeaderListSize != 65536 || c.KeepAlive != 0 || c.MaxAge != 0 {
		t.Errorf("defaults %+v", c)
	}
	c = Config{ConnectionWindow: maxWindow}
	if err := c.Validate(); err != nil || c.ConnectionBuffer != maxWindow {
		t.Errorf("%v, buffer %d", err, c.ConnectionBuffer)
	}
	for want, c := range map[string]Config{
		"1 to 2147483647":       {MaxConcurrentStreams: 1 << 31},
		"initial window size":   {InitialWindowSize: 1 << 31},
		"65535 to 2147483647":   {ConnectionWindow: 65534},
		"1048576 to 2147483647": {ConnectionBuffer: 1},
		"16384 to 16777215":     {MaxFrameSize: 1 << 24},
		"1024 to 16777216":      {MaxHeaderListSize: 1},
		"negative":              {MaxAge: -time.Second},
	} {
		if _, err := NewShared(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	if CodeHTTP11Required.String() != "HTTP_1_1_REQUIRED" || ErrCode(99).String() != "UNKNOWN_ERROR" || Kind(99).String() != "Kind?" ||
		Budget(99).String() != "budget?" || streamState(99).String() != "state?" {
		t.Error("wrong name")
	}
}
