/** The form of the mistakes that the simulation must find: mutation-list.ts has them. */

/** A mistake, made by some edits. */
export interface Mutation {
  /** Stands in the page. */
  readonly name: string
  /** What would go wrong. */
  readonly harm: string
  readonly edits: readonly Edit[]
}

/** One place. */
export interface Edit {
  /** Below server/. */
  readonly file: string
  /** Text that must be there once. */
  readonly find: string
  readonly replace: string
}
