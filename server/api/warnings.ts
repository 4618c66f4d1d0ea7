/** What an answer says beside what was asked for. */
import { Type } from 'typebox'

/** A member of answers. */
export const warnings = Type.Optional(
  Type.Array(Type.String(), {
    description: 'Sentences: what was asked for is done, and may not do what was meant. Absent: nothing to say.',
  }),
)
