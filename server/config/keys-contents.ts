/** The keys of `contents`: how far the registry looks into images, and what archives it takes. */
import { acts, type Section } from './key.ts'
import { integer, size } from './value-types.ts'

/** The maps that the keys of this file stand in. */
export const contentsSections = {
  contents: {
    doc: 'Berth’s own. Looking into images (their files, comparing two of them), and archives that are imported.',
    own: true,
  },
} as const satisfies Record<string, Section>

/** Every key of `contents`. */
export const allContentsKeys = {
  'contents.entries': acts(
    integer(1, 5_000_000),
    400_000,
    'Files, directories and links of one layer; a layer with more is not looked into. Each takes some 300 bytes of memory while it is.',
  ),
  'contents.layerbytes': acts(
    size(1024 * 1024),
    16 * 1024 ** 3,
    'Size of one layer when it is unpacked; a layer that is larger, or pretends to be small, is not looked into.',
  ),
  'contents.filebytes': acts(
    size(),
    1024 ** 3,
    'Largest file of an image that is given by itself. Images are pulled whole whatever is in them.',
  ),
  'contents.cachebytes': acts(
    size(),
    128 * 1024 ** 2,
    'Memory for the lists of files of layers that were looked into, by digest. An image whose lists do not fit is not looked into.',
  ),
  'contents.readers': acts(integer(1, 64), 2, 'Layers that are unpacked at once; others wait. One takes about as much CPU as a core has.'),
  'contents.archivebytes': acts(
    size(),
    64 * 1024 ** 3,
    'Largest archive that is imported, as it is sent and as it is when it is unpacked. `0`: archives are not taken.',
  ),
}
