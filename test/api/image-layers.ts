/** Two layers with all that a view of an image has to make one of: files that are hidden, directories that are emptied, links of every kind. */
import type { Layer } from '../support/layered-image.ts'

export const lower: Layer = [
  { path: 'etc/', type: '5', mode: 0o755 },
  { path: 'etc/name', content: 'lower\n', mode: 0o600, uid: 7, gid: 8 },
  { path: 'etc/gone', content: 'x' },
  { path: 'etc/old/file', content: 'x' },
  { path: 'usr/bin/sh', content: 'shell', mode: 0o755 },
  { path: 'bin', type: '2', link: 'usr/bin' },
  { path: 'opt/one', content: '1' },
  { path: 'opt/two', content: '2' },
  { path: 'dev/null', type: '3' },
  { path: 'run/pipe', type: '6' },
]

export const upper: Layer = [
  { path: 'etc/name', content: 'upper is longer\n' },
  { path: 'etc/.wh.gone', content: '' },
  { path: 'etc/.wh.old', content: '' },
  { path: 'opt/.wh..wh..opq', content: '' },
  { path: 'opt/three', content: '3' },
  { path: 'usr/bin/ash', type: '1', link: 'usr/bin/sh' },
  { path: 'usr/bin/nowhere', type: '1', link: 'no/such' },
  { path: 'usr/bin/circle', type: '1', link: 'usr/bin/circle' },
  { path: 'loop', type: '2', link: 'loop' },
  { path: 'out', type: '2', link: '../../../../etc/name' },
]
