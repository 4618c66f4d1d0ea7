/** A second factor that is shown to sign in, or to show again who sits there; a wrong one is on record as a wrong password is. */
import type { FactorProof } from '#access/second-factors.ts'
import { requireFactor } from '#access/sign-in.ts'
import { RegistryError } from '#oci/errors.ts'
import { exchangeCaller, type Exchange } from '#http/exchange.ts'
import { noteRefusedCredential } from '#http/note-refusal.ts'
import { partyOf, type PersonSession } from './session-person.ts'

/** One that was judged and is wrong, and one that too many wrong ones kept from being judged. */
const judged: ReadonlySet<RegistryError['code']> = new Set(['UNAUTHORIZED', 'TOOMANYREQUESTS'])

/** Throws as requireFactor does. The record names the account and the kind of factor, and never what was typed. */
export async function proveBySecondFactor(exchange: Exchange, person: PersonSession, proof: FactorProof): Promise<void> {
  const { directory } = exchange.site.parts
  const shown = { proof, party: partyOf(exchange), address: exchangeCaller(exchange).address }
  try {
    await requireFactor(directory, person, shown)
  } catch (error) {
    if (error instanceof RegistryError && judged.has(error.code)) {
      const step = person.state === 'active' ? 'elevation' : 'sign-in'
      const facts = { why: 'second-factor', shown: proof.kind, more: { step } } as const
      noteRefusedCredential(exchange, { action: 'login.failed', name: person.name, facts }, error)
    }
    throw error
  }
}
