/** One key of the configuration: its type, default, meaning, and whether it does anything here. */
import type { ValueType } from './value-types.ts'

/**
 * - `acts`: does what it says.
 * - `needless`: known, and what it asks for holds anyway; says nothing.
 * - `ignored`: known to registry:2 or registry:3, without effect here; a warning names it and says why.
 * - `refused`: starting without what it asks for would be wrong; a problem says why.
 */
export type KeyStatus = 'acts' | 'needless' | 'ignored' | 'refused'

/** `T` includes undefined for a key that has no default. */
export interface Key<T> {
  readonly type: ValueType<NonNullable<T>>
  readonly status: KeyStatus
  readonly default: T
  readonly doc: string
  /** For the documentation, where the default is not one value. */
  readonly defaultText?: string
  /** Never printed. */
  readonly secret?: boolean
}

/** A key that acts and has a default. */
export function acts<T extends NonNullable<unknown>>(
  type: ValueType<T>,
  byDefault: NoInfer<T>,
  doc: string,
  more: { defaultText?: string } = {},
): Key<T> {
  return { type, status: 'acts', default: byDefault, doc, ...more }
}

/** A key that acts where it is given. */
export function optional<T extends NonNullable<unknown>>(
  type: ValueType<T>,
  doc: string,
  more: { defaultText?: string; secret?: boolean } = {},
): Key<T | undefined> {
  return { type, status: 'acts', default: undefined, doc, ...more }
}

/** A key whose section (or itself) is ignored, refused or needless. */
export function inert<T extends NonNullable<unknown>>(
  status: 'needless' | 'ignored' | 'refused',
  type: ValueType<T>,
  doc: string,
  more: { secret?: boolean } = {},
): Key<T | undefined> {
  return { type, status, default: undefined, doc, ...more }
}

/** A map of keys. What is said of a section holds for all keys below it. */
export interface Section {
  readonly doc: string
  /** Berth's own: an unknown key in it is a mistake, not something that another registry knows. */
  readonly own?: boolean
  /** One warning or problem for the whole section; its keys are only listed. */
  readonly status?: 'ignored' | 'refused'
}
