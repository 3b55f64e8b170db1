//! The four codecs as Kafka frames them: gzip, snappy (snappy-java's framing, or one raw block), lz4 frames,
//! zstd. Decoding streams through bounded buffers; nothing is allocated by a length that the data claims
//! before that length was checked against what the compressed bytes can possibly hold.

use std::cell::RefCell;
use std::io::{Read, Write};

pub const NONE: u8 = 0;
pub const GZIP: u8 = 1;
pub const SNAPPY: u8 = 2;
pub const LZ4: u8 = 3;
pub const ZSTD: u8 = 4;

/// The bytes are not what the codec says they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadData;

/// snappy-java: 0x82 "SNAPPY" 0x00, version 1, lowest compatible version 1.
const XERIAL_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
const XERIAL_BLOCK: usize = 32 * 1024;
/// A thread keeps scratch memory up to this size between batches.
const KEEP: usize = 1 << 20;

thread_local! {
    static ZSTD_DECODER: RefCell<Option<zstd_safe::DCtx<'static>>> = const { RefCell::new(None) };
    static SNAPPY_BLOCK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A streaming decoder over one batch's records.
pub enum Decoder<'a> {
    Gzip(Box<flate2::bufread::MultiGzDecoder<&'a [u8]>>),
    Snappy(Snappy<'a>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<&'a [u8]>>),
    Zstd(Zstd<'a>),
}

impl<'a> Decoder<'a> {
    /// `None` for a codec id that is not one of the four.
    pub fn new(codec: u8, data: &'a [u8]) -> Option<Decoder<'a>> {
        Some(match codec {
            GZIP => Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(data))),
            SNAPPY => Decoder::Snappy(Snappy::new(data)),
            LZ4 => Decoder::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(data))),
            ZSTD => Decoder::Zstd(Zstd::new(data)),
            _ => return None,
        })
    }

    /// Decodes into `out`; 0 at the end.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, BadData> {
        match self {
            Decoder::Gzip(d) => d.read(out).map_err(|_| BadData),
            Decoder::Snappy(d) => d.read(out),
            Decoder::Lz4(d) => d.read(out).map_err(|_| BadData),
            Decoder::Zstd(d) => d.read(out),
        }
    }
}

/// snappy-java's stream of blocks, each `int32 length` and a raw snappy block; or a single raw block.
pub struct Snappy<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl<'a> Snappy<'a> {
    fn new(data: &'a [u8]) -> Self {
        let framed = data.len() >= 16 && data[..8] == XERIAL_HEADER[..8];
        let block = SNAPPY_BLOCK.with(|b| std::mem::take(&mut *b.borrow_mut()));
        let mut snappy = Snappy { rest: if framed { &data[16..] } else { data }, framed, block, at: 0 };
        snappy.block.clear();
        snappy
    }

    fn next_block(&mut self) -> Result<bool, BadData> {
        loop {
            if self.rest.is_empty() {
                return Ok(false);
            }
            if !self.framed {
                let whole = std::mem::take(&mut self.rest);
                self.decode(whole)?;
                return Ok(true);
            }
            if self.rest.len() >= 16 && self.rest[..8] == XERIAL_HEADER[..8] {
                self.rest = &self.rest[16..];
                continue;
            }
            if self.rest.len() < 4 {
                return Err(BadData);
            }
            let length = u32::from_be_bytes(self.rest[..4].try_into().expect("four bytes")) as usize;
            if length > self.rest.len() - 4 {
                return Err(BadData);
            }
            let (block, rest) = self.rest[4..].split_at(length);
            self.rest = rest;
            self.decode(block)?;
            return Ok(true);
        }
    }

    fn decode(&mut self, block: &[u8]) -> Result<(), BadData> {
        let claimed = snap::raw::decompress_len(block).map_err(|_| BadData)?;
        // A snappy element of 3 bytes yields 64 at most: a larger claim cannot be true and is not allocated for.
        if claimed > block.len().saturating_mul(22) + 64 {
            return Err(BadData);
        }
        self.at = 0;
        self.block.resize(claimed, 0);
        let n = snap::raw::Decoder::new().decompress(block, &mut self.block).map_err(|_| BadData)?;
        self.block.truncate(n);
        Ok(())
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, BadData> {
        while self.at == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = out.len().min(self.block.len() - self.at);
        out[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Drop for Snappy<'_> {
    fn drop(&mut self) {
        if self.block.capacity() <= KEEP {
            let block = std::mem::take(&mut self.block);
            SNAPPY_BLOCK.with(|b| *b.borrow_mut() = block);
        }
    }
}

pub struct Zstd<'a> {
    context: Option<zstd_safe::DCtx<'static>>,
    data: &'a [u8],
    at: usize,
    mid_frame: bool,
}

impl<'a> Zstd<'a> {
    fn new(data: &'a [u8]) -> Self {
        let mut context = ZSTD_DECODER.with(|c| c.borrow_mut().take()).unwrap_or_else(zstd_safe::DCtx::create);
        // A session reset cannot fail; the window limit stays zstd's own (2^27), as Kafka's.
        let _ = context.reset(zstd_safe::ResetDirective::SessionOnly);
        Zstd { context: Some(context), data, at: 0, mid_frame: false }
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, BadData> {
        let Some(context) = self.context.as_mut() else { return Err(BadData) };
        let mut output = zstd_safe::OutBuffer::around(out);
        loop {
            let mut input = zstd_safe::InBuffer::around(&self.data[self.at..]);
            let given = self.data.len() - self.at;
            let hint = context.decompress_stream(&mut output, &mut input).map_err(|_| BadData)?;
            self.at += input.pos();
            if input.pos() > 0 || output.pos() > 0 {
                self.mid_frame = hint != 0;
            }
            if output.pos() > 0 {
                return Ok(output.pos());
            }
            if self.at == self.data.len() && (given == 0 || hint == 0) {
                return if self.mid_frame { Err(BadData) } else { Ok(0) };
            }
        }
    }
}

impl Drop for Zstd<'_> {
    fn drop(&mut self) {
        // A frame with a large window leaves its window allocated in the context: let that one go.
        if let Some(context) = self.context.take() {
            if context.sizeof() <= 16 << 20 {
                ZSTD_DECODER.with(|c| *c.borrow_mut() = Some(context));
            }
        }
    }
}

/// Why `decompress` did not return bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecompressError {
    UnknownCodec,
    BadData,
    TooLarge,
}

/// Decodes everything into memory, up to `limit` bytes.
pub fn decompress(codec: u8, data: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    if codec == NONE {
        return if data.len() > limit { Err(DecompressError::TooLarge) } else { Ok(data.to_vec()) };
    }
    let mut decoder = Decoder::new(codec, data).ok_or(DecompressError::UnknownCodec)?;
    let mut out = Vec::new();
    let mut used = 0;
    loop {
        if out.len() - used < 16 * 1024 {
            // Grows by doubling what really came out, never by what the data claims.
            let grow = out.len().max(64 * 1024);
            out.resize(out.len() + grow, 0);
        }
        let n = decoder.read(&mut out[used..]).map_err(|_| DecompressError::BadData)?;
        if n == 0 {
            break;
        }
        used += n;
        if used > limit {
            return Err(DecompressError::TooLarge);
        }
    }
    out.truncate(used);
    Ok(out)
}

/// Appends `data` encoded by `codec` to `out`. `level` -1: the codec's default.
pub fn compress(codec: u8, level: i32, data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    match codec {
        NONE => out.extend_from_slice(data),
        GZIP => {
            let level = if level < 0 { flate2::Compression::default() } else { flate2::Compression::new(level.min(9) as u32) };
            let mut encoder = flate2::write::GzEncoder::new(&mut *out, level);
            encoder.write_all(data).and_then(|()| encoder.finish().map(drop)).map_err(|e| e.to_string())?;
        }
        SNAPPY => {
            out.extend_from_slice(&XERIAL_HEADER);
            let mut encoder = snap::raw::Encoder::new();
            for block in data.chunks(XERIAL_BLOCK) {
                let start = out.len() + 4;
                out.resize(start + snap::raw::max_compress_len(block.len()), 0);
                let n = encoder.compress(block, &mut out[start..]).map_err(|e| e.to_string())?;
                out[start - 4..start].copy_from_slice(&(n as u32).to_be_bytes());
                out.truncate(start + n);
            }
        }
        LZ4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .block_mode(lz4_flex::frame::BlockMode::Independent);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, &mut *out);
            encoder.write_all(data).map_err(|e| e.to_string())?;
            encoder.finish().map_err(|e| e.to_string())?;
        }
        ZSTD => {
            let start = out.len();
            out.resize(start + zstd_safe::compress_bound(data.len()), 0);
            let level = if level < 0 { 3 } else { level.min(22) };
            let n = zstd_safe::compress(&mut out[start..], data, level)
                .map_err(|code| zstd_safe::get_error_name(code).to_string())?;
            out.truncate(start + n);
        }
        _ => return Err(format!("unknown codec {codec}")),
    }
    Ok(())
}
