/** The document itself, as it was pushed. */
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readManifestDocument } from '../../api/routes.ts'
import { CopyText } from '../../parts/copy.tsx'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import type { Manifest } from './image-page.tsx'

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}

export function ImageJson({ repository, manifest }: { readonly repository: string; readonly manifest: Manifest }) {
  const { t } = useTranslation()
  const { data, error } = useQuery({
    ...query(readManifestDocument, { params: { repository, digest: manifest.digest } }),
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (error !== null) return <Problem error={error} />
  if (data === undefined) return <Waiting />
  return (
    <Panel title={data.mediaType} actions={<CopyText text={data.text} what={t('image.json')} />} isFlush>
      <pre className="json" tabIndex={0}>
        {indented(data.text)}
      </pre>
    </Panel>
  )
}
