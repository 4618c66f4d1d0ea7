/** Upload ids and keys that lead out of a store, or are none. */
export const hostileIds = [
  '',
  '.',
  '..',
  '../x',
  '../../etc/passwd',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'a\0b',
  '-rf',
  '.hidden',
  'é',
  'a'.repeat(129),
  'a b',
  'a\n',
]

export const hostileKeys = [
  '',
  'blobs',
  '/etc/passwd',
  'blobs/../../x',
  'blobs/./x',
  'blobs//x',
  'blobs/x/',
  'blobs/x\0y/z',
  'blobs\\..\\x/y',
  '../x/y',
  'uploads/x',
  `blobs/${'a'.repeat(1100)}`,
]
