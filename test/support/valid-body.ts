import * as fc from 'fast-check'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { arbitraryOf, type Schema } from './schema-arbitrary.ts'

/** A value that fits the schema, the same at each call. */
export function validBody(schema: TSchema): unknown {
  const validator = Compile(schema)
  const fitting = arbitraryOf(schema as Schema, () => undefined).filter((value) => validator.Check(value))
  const [made] = fc.sample(fitting, { numRuns: 1, seed: 1 })
  return made
}
