/** Who asks. */
export interface Principal {
  /** Empty for anonymous. */
  readonly name: string
  readonly isAnonymous: boolean
  /** What the principal may do; absent: nothing. */
  readonly grants?: 'everything'
}

/** Anyone, where the registry is open. */
export const openPrincipal: Principal = { name: '', isAnonymous: true, grants: 'everything' }
