/** Transactions of the tests, in a module of their own: the writer thread loads it, and a test file there would run its tests again. */
import { addPulls } from '#metadata/tag-pulls.ts'
import { transaction } from '#metadata/transaction.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'

/** The manifest was pulled then, wherever it is. */
export const notePulls = transaction(
  import.meta.url,
  'test-features/note-pulls',
  async (tx, { manifest, at }: { readonly manifest: Digest; readonly at: number }) => {
    const rows = await tx.selectFrom('manifests').select('id').where('digest', '=', digestToBytes(manifest)).execute()
    await addPulls(
      tx,
      rows.map(({ id }) => ({ manifestId: id, tag: undefined, pulls: 1, lastPulledAt: at })),
    )
  },
)
