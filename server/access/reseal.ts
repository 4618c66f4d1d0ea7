/**
 * Seals everything again that is sealed under an older key, so that the older key can be taken out of secrets.keyfile.
 *
 * Each value is replaced only if it still is what was read: a change by a running server is never lost, and is sealed under the first key by that server. Values
 * that do not open are left and counted. To seal something new in rows, add it to metadata/sealed-values.ts and its context here.
 */
import { replaceSealedValue, sealedValues, type SealedValue } from '#metadata/sealed-values.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Directory } from './directory.ts'
import { SealBroken } from './secret-box.ts'

/** How many values were sealed again, needed nothing, changed meanwhile, or could not be opened. */
export interface ResealReport {
  readonly resealed: number
  readonly current: number
  readonly changed: number
  /** Contexts of those that do not open: what they held is lost. */
  readonly broken: readonly string[]
}

const replace = transaction(
  import.meta.url,
  'reseal/replace',
  (tx, change: Pick<SealedValue, 'table' | 'id'> & { readonly from: Uint8Array; readonly to: Uint8Array }) =>
    replaceSealedValue(tx, change),
)

const contexts: Readonly<Record<SealedValue['table'], string>> = {
  signing_keys: 'signing-key',
  providers: 'provider',
  second_factors: 'second-factor/user',
  certificates: 'certificate',
  acme_accounts: 'acme-account',
}

/** Goes over all sealed values once. */
export async function resealSecrets({ metadata, secrets }: Pick<Directory, 'metadata' | 'secrets'>): Promise<ResealReport> {
  const broken: string[] = []
  let [resealed, current, changed] = [0, 0, 0]
  for (const { table, id, subject, value } of await sealedValues(metadata.reader)) {
    const context = contextOf({ table, subject })
    const opened = openSealed(secrets, { table, subject, value })
    if (opened === undefined) broken.push(context)
    else if (!secrets.isStale(value)) current += 1
    else if (await metadata.write(replace, { table, id, from: value, to: secrets.seal(opened, context) })) resealed += 1
    else changed += 1
  }
  return { resealed, current, changed, broken }
}

function contextOf({ table, subject }: Pick<SealedValue, 'table' | 'subject'>): string {
  return `${contexts[table]}/${subject}`
}

/** What is in it; undefined when no key opens it. */
export function openSealed(
  secrets: Pick<Directory['secrets'], 'open'>,
  { value, ...place }: Pick<SealedValue, 'table' | 'subject' | 'value'>,
): string | undefined {
  try {
    return secrets.open(value, contextOf(place))
  } catch (error) {
    if (error instanceof SealBroken) return undefined
    throw error
  }
}
