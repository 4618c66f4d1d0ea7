/** The keys of `scrub`: how fast the store is proved, how much of it in one pass, and when. */
import { Cron } from 'croner'
import { acts, type Section } from './key.ts'
import { integer, size, textLike } from './value-types.ts'

/** The maps that the keys of this file stand in. */
export const scrubSections = {
  scrub: {
    doc: 'Berth’s own. The slow check of what is stored: files against rows, bytes against digests.',
    own: true,
  },
} as const satisfies Record<string, Section>

function isTime(text: string): boolean {
  if (text === 'off' || /^every [1-9]\d{0,5}[mhd]$/.test(text)) return true
  if (text.length > 100 || text.startsWith('every')) return false
  try {
    return new Cron(text, { mode: '5-part', timezone: 'UTC' }).nextRun() !== null
  } catch {
    return false
  }
}

/** Every key of `scrub`. */
export const allScrubKeys = {
  'scrub.rate': acts(
    size(),
    32 * 1024 ** 2,
    'Bytes a second that a pass reads on average. `0`: as fast as it goes, which pulls and pushes would feel. At 32MiB a terabyte takes nine hours.',
  ),
  'scrub.sample': acts(
    integer(0, 100),
    100,
    'Of a hundred blobs, the bytes of so many are read in a pass; the others are looked at by their size. The next pass reads others, so that all are read in turn.',
  ),
  'scrub.schedule': acts(
    textLike('a cron expression such as "0 3 * * 0", "every 7d" or off', isTime),
    '0 3 * * 0',
    'When a pass begins by itself, in UTC: minute, hour, day of month, month, day of week, or `every 7d`. `off`: never. What somebody decides with `berth schedule` or in the API counts instead.',
  ),
}
