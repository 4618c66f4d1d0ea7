/** The provider `local`: Berth's own accounts. Its row is there from the first start, so that it can be switched off like any other. */
import type { Clock } from '#lib/ports.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { insertProvider, providerRecord } from '#metadata/providers.ts'

/** Its name, which no other provider takes. */
export const localProviderName = 'local'

const insertLocal = accessTransaction(import.meta.url, 'local-provider/insert', async (tx, { at }: { readonly at: number }) => {
  await insertProvider(tx, { name: localProviderName, kind: 'local', title: 'Local accounts', isEnabled: true, settings: {}, at })
})

/** Makes the row where it is missing. Of several processes at once, one does. */
export async function ensureLocalProvider(metadata: Metadata, { now }: Pick<Clock, 'now'>): Promise<void> {
  if ((await providerRecord(metadata.reader, localProviderName)) === undefined) await metadata.write(insertLocal, { at: now() })
}
