/** What a directory that checks passwords (LDAP) looks like to those who log people in, and what any provider says of a person. */

/** What a provider says of a person. */
export interface ExternalIdentity {
  /** Who vouches: the URL of an OIDC issuer; for a directory the base it is searched below. */
  readonly issuer: string
  /** What the provider never gives to somebody else: `sub`, `entryUUID`, `objectGUID`. Never a name or an e-mail address. */
  readonly subject: string
  /** Lower-cased, and an account's name by its grammar. */
  readonly name: string
  readonly displayName: string
  readonly email: string
  /** As `groups.external_name`: normalised DNs, or values of the groups claim. */
  readonly groups: readonly string[]
  /** What people call them, as the provider spells it, by their names in `groups`; one that is left out is called after that. */
  readonly groupNames?: ReadonlyMap<string, string>
  /** Undefined when the provider has no group of administrators: the account's flag is left alone. */
  readonly isAdministrator: boolean | undefined
  /** For people who look at the account: the DN, the groups' own names. No secret. */
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Asked for a name and a password when no account of Berth's own, no robot and no token answers to them. */
export interface PasswordProvider {
  /** Of the row in `providers`. */
  readonly id: number
  readonly name: string
  /** Of the row: what was remembered of another version does not count. */
  readonly version?: number
  /** Undefined: no such person here, the wrong password, or not allowed in (the log says which). Throws UNAVAILABLE when it cannot be asked. */
  verify(name: string, password: string): Promise<ExternalIdentity | undefined>
  /** Whether it has somebody of that name, by the search alone. Throws UNAVAILABLE as `verify` does. */
  knows?(name: string): Promise<boolean>
  /** The same person and groups again, without a password. Undefined: gone, disabled, or no longer in a required group. Throws UNAVAILABLE as `verify` does. */
  refresh(identity: { readonly issuer: string; readonly subject: string }): Promise<ExternalIdentity | undefined>
}
