const blockBytes = 512

/** A tar archive of executable files, the same bytes for the same input, for layers that real clients unpack. */
export function tarOf(files: Readonly<Record<string, Uint8Array | string>>): Buffer {
  const blocks: Buffer[] = []
  for (const [path, content] of Object.entries(files)) {
    const bytes = Buffer.from(content as Uint8Array)
    blocks.push(headerOf(path, bytes.length), bytes, Buffer.alloc(-bytes.length & (blockBytes - 1)))
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)])
}

function headerOf(path: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(blockBytes)
  header.write(path, 0, 100)
  header.write('0000755\0' + '0000000\0' + '0000000\0', 100)
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        0', 148) // The checksum is summed over spaces; type flag 0 is a regular file.
  header.write('ustar\x0000', 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
