import { useTranslation } from 'react-i18next'
import { Panel } from '../../parts/layout.tsx'
import { NameValues } from './image-config.tsx'
import type { Manifest } from './image-page.tsx'

/** What the manifest says of itself. */
export function ImageAnnotations({ manifest }: { readonly manifest: Manifest }) {
  const { t } = useTranslation()
  return (
    <Panel title={t('image.annotations')}>
      <NameValues entries={Object.entries(manifest.annotations)} />
    </Panel>
  )
}
