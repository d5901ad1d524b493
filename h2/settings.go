package h2

import "encoding/binary"

// Identifiers of settings: RFC 9113 section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1.
const (
	settingHeaderTableSize       = 0x1
	settingEnablePush            = 0x2
	settingMaxConcurrentStreams  = 0x3
	settingInitialWindowSize     = 0x4
	settingMaxFrameSize          = 0x5
	settingMaxHeaderListSize     = 0x6
	settingEnableConnectProtocol = 0x8
	settingNoRFC7540Priorities   = 0x9
)

// setting is one parameter of a SETTINGS frame.
type setting struct {
	id    uint16
	value uint32
}

func appendSettings(dst []byte, list ...setting) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: uint32(len(list) * settingLen), typ: frameSettings})
	for _, s := range list {
		dst = binary.BigEndian.AppendUint16(dst, s.id)
		dst = binary.BigEndian.AppendUint32(dst, s.value)
	}
	return dst
}

func parseSetting(b []byte) setting {
	return setting{binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])}
}

// check returns the error code for a value out of range (RFC 9113 section 6.5.2), or CodeNoError.
func (s setting) check() ErrCode {
	switch s.id {
	case settingEnablePush, settingEnableConnectProtocol, settingNoRFC7540Priorities:
		if s.value > 1 {
			return CodeProtocolError
		}
	case settingInitialWindowSize:
		if s.value > maxWindow {
			return CodeFlowControlError
		}
	case settingMaxFrameSize:
		if s.value < protocolFrameSize || s.value > maxFrameSize {
			return CodeProtocolError
		}
	}
	return CodeNoError
}

// serverHello returns the server's preface (RFC 9113 section 3.4).
func serverHello(cfg *Config) []byte {
	list := []setting{
		{settingMaxConcurrentStreams, cfg.MaxConcurrentStreams},
		{settingMaxHeaderListSize, cfg.MaxHeaderListSize},
		{settingNoRFC7540Priorities, 1},
	}
	if cfg.EnableConnectProtocol {
		list = append(list, setting{settingEnableConnectProtocol, 1})
	}
	return appendHello(nil, cfg, cfg.InitialWindowSize, list)
}

// clientHello returns the client's preface. maxHead limits the fields of responses.
func clientHello(cfg *Config, maxHead uint32) []byte {
	return appendHello([]byte(Preface), cfg, cfg.ResponseWindow, []setting{
		{settingEnablePush, 0},
		{settingMaxHeaderListSize, maxHead},
		{settingNoRFC7540Priorities, 1},
	})
}

// appendHello appends SETTINGS with list, the window of a stream and what differs from the protocol's values, and a
// WINDOW_UPDATE for the connection, whose window no setting covers (RFC 9113 section 6.9.2).
func appendHello(dst []byte, cfg *Config, window uint32, list []setting) []byte {
	if window != protocolWindow {
		list = append(list, setting{settingInitialWindowSize, window})
	}
	if cfg.MaxFrameSize != protocolFrameSize {
		list = append(list, setting{settingMaxFrameSize, cfg.MaxFrameSize})
	}
	dst = appendSettings(dst, list...)
	if grow := cfg.ConnectionWindow - protocolWindow; grow > 0 {
		dst = appendWindowUpdate(dst, 0, grow)
	}
	return dst
}

// settings handles SETTINGS: it applies them in order and acknowledges them.
func (c *machine) settings(h frameHeader, payload []byte) *ConnError {
	if h.stream != 0 {
		return c.fail(CodeProtocolError, "SETTINGS on a stream")
	}
	if h.has(flagAck) {
		return c.settingsAcknowledged()
	}
	if err := c.spend(SettingsBudget); err != nil {
		return err
	}
	first := c.input == awaitSettings
	window := int64(-1)
	for ; len(payload) > 0; payload = payload[settingLen:] {
		s := parseSetting(payload)
		if code := s.check(); code != CodeNoError {
			return c.fail(code, "setting out of range")
		}
		switch s.id {
		case settingInitialWindowSize:
			window = int64(s.value)
		case settingMaxFrameSize:
			c.peerMaxFrame = s.value
		case settingNoRFC7540Priorities:
			// RFC 9218 section 2.1: the value must not change after the first SETTINGS.
			if !first && (s.value == 1) != (c.flags&peerNoPriorities != 0) {
				return c.fail(CodeProtocolError, "SETTINGS_NO_RFC7540_PRIORITIES changed")
			}
			if s.value == 1 {
				c.flags |= peerNoPriorities
			}
		default:
			if err := c.role.setting(s, first); err != nil {
				return err
			}
		}
	}
	if window >= 0 {
		// RFC 9113 section 6.5.3: the values of one frame take effect together, so the last one
		// counts. A frame may have thousands, each for all streams.
		if err := c.setPeerInitialWindow(int32(window)); err != nil {
			return err
		}
	}
	c.input = awaitFrame
	c.role.settingsApplied()
	return c.answer(appendSettingsAck(c.output()))
}

// settingsAcknowledged applies our initial window: until now the peer may have used the protocol's
// default.
func (c *machine) settingsAcknowledged() *ConnError {
	if c.flags&ackedSettings != 0 {
		// RFC 9113 section 6.5 does not forbid another one.
		return c.spend(SettingsBudget)
	}
	c.flags |= ackedSettings
	c.clearTimer(settingsTimer)
	own := int32(c.initialWindow())
	if delta := own - c.recvInitial; delta != 0 {
		c.recvInitial = own
		for st := range c.streams.all {
			st.recvWindow += delta
		}
	}
	return nil
}
