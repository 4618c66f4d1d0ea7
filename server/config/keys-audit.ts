/** The keys of `audit`. */
import { acts, optional, type Section } from './key.ts'
import { duration, oneOf, textLike } from './value-types.ts'

const dayMs = 24 * 60 * 60 * 1000

/** The maps that the keys of this file stand in. */
export const auditSections = {
  audit: {
    doc: 'Berth’s own. What happened and who did it. Changes, logins and refusals are always recorded in the database; these keys say what is written beside it and for how long it is kept.',
    own: true,
  },
} as const satisfies Record<string, Section>

/** Every key of `audit`. */
export const allAuditKeys = {
  'audit.file': optional(
    textLike('the path of a file, or - for the standard output', (value) => value !== '' && !value.includes('\0')),
    'A file to which every audit record is written as a line of JSON in ECS field names; `-`: the standard output. A file that was renamed or removed (logrotate) is made anew.',
    { defaultText: 'none' },
  ),
  'audit.pulls': acts(
    oneOf('off', 'log'),
    'off',
    '`log`: each pull of a manifest writes a line to `audit.file` (to the standard output without one). Pulls are never written to the database.',
  ),
  'audit.retention': acts(
    duration({ minimumMs: dayMs }),
    92 * dayMs,
    'How long records are kept in the database. They go only after they were sealed, a whole seal at a time; the seals stay.',
  ),
}
