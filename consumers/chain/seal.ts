// A seal: the object that voids a data key. A valid zstd frame (RFC 8878, section 3.1.1) of no bytes, so that any reader of the data
// finds no events in it; every seal has this one length, and no frame with content is as short.
//
//   28 B5 2F FD  magic   20  single segment, size in one byte   00  size 0   01 00 00  last block, raw, 0 bytes
export const SEAL: Buffer = Buffer.from('28b52ffd2000010000', 'hex');
