/** A directory with one person, who is in the groups of a state that tests change. */
import type { FakeDirectory } from '../../server/access/test-ldap-server.ts'

/** Where people are. */
export const people = 'ou=people,dc=example,dc=org'

/** The DN of the group of developers. */
export const devs = 'cn=devs,ou=groups,dc=example,dc=org'

/** Opens alice by `wonderland`, as long as she is there. */
export function directoryOfAlice(state: { isGone: boolean; groups: readonly string[] }): FakeDirectory {
  return {
    bind: (dn, password) => (dn.startsWith('cn=reader') || password === 'wonderland' ? { code: 0 } : { code: 49 }),
    search: (request) =>
      state.isGone || !request.includes('alice')
        ? []
        : [
            {
              dn: `uid=alice,${people}`,
              attributes: {
                entryUUID: ['id-of-alice'],
                uid: ['Alice'],
                cn: ['Alice A'],
                mail: ['a@example.org'],
                memberOf: [...state.groups],
              },
            },
          ],
  }
}

/** Settings of a provider for the directory at that URL. */
export function settingsFor(url: string) {
  return { urls: [url], searchBase: people, bindDn: 'cn=reader,dc=example,dc=org', bindPassword: 'canary-of-the-bind', timeoutMs: 2000 }
}

/** Berth asks no address of its own machine unless it is told so. */
export const loopback = { outgoing: { allowedNetworks: ['loopback'] } }
