/** The layers of an image: what made each, and how much of the whole it is; the steps that made none between them. */
import { Alert, Stack, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { FolderOpen, Layers } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Digest } from '../../parts/copy.tsx'
import { Empty, Panel } from '../../parts/layout.tsx'
import { formatBytes, formatNumber, formatShare } from '../../parts/sizes.ts'
import type { Manifest } from './image-page.tsx'

interface LayersProps {
  readonly manifest: Manifest
  /** The page of the image, where the files of a layer can be looked into. */
  readonly filesAt: string | undefined
}

export function ImageLayers({ manifest, filesAt }: LayersProps) {
  const { t } = useTranslation()
  const { layers } = manifest
  const whole = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (layers.length === 0) return <Empty icon={<Layers size={28} />} title={t('image.noLayers')} />
  return (
    <Stack gap="lg">
      {manifest.isTruncated && (
        <Alert color="yellow">{t('image.truncated', { shown: formatNumber(layers.length), count: manifest.layerCount })}</Alert>
      )}
      <Panel title={t('image.layersOf', { count: layers.length, shown: formatNumber(layers.length), size: formatBytes(whole) })} isFlush>
        <ol style={{ listStyle: 'none', margin: 0, padding: 0 }}>
          {layers.map((layer, at) => (
            <li key={`${layer.digest} ${at}`} className="layer">
              <span className="layer-number number">{at + 1}</span>
              <div style={{ minWidth: 0 }}>
                <Text className="mono wrap" component="div" lineClamp={3} title={layer.history?.createdBy}>
                  {commandOf(layer.history?.createdBy) ?? layer.annotations?.['org.opencontainers.image.title'] ?? layer.mediaType}
                </Text>
                <div className="bar" style={{ marginTop: 8 }} aria-hidden>
                  <span style={{ width: `${whole === 0 ? 0 : Math.max(0.5, (layer.sizeBytes / whole) * 100)}%` }} />
                </div>
              </div>
              <div style={{ textAlign: 'right' }}>
                <div className="number">{formatBytes(layer.sizeBytes)}</div>
                <Text size="xs" c="dimmed" className="number">
                  {formatShare(layer.sizeBytes, whole)}
                </Text>
              </div>
              <div className="below-wide layer-end">
                <Digest digest={layer.digest} />
                {filesAt !== undefined && (
                  <Link
                    to="/repositories/$"
                    params={{ _splat: filesAt }}
                    search={{ view: 'files', layer: layer.digest }}
                    className="link"
                    aria-label={t('files.layerFiles', { number: at + 1 })}
                    title={t('files.layerFiles', { number: at + 1 })}
                  >
                    <FolderOpen size={15} aria-hidden />
                  </Link>
                )}
              </div>
            </li>
          ))}
        </ol>
      </Panel>
      {manifest.config !== undefined && manifest.config.history.some(({ isEmptyLayer }) => isEmptyLayer) && <Steps manifest={manifest} />}
    </Stack>
  )
}

/** Without what the builder puts around it. */
function commandOf(createdBy: string | undefined): string | undefined {
  const text = createdBy
    ?.replace(/^\/bin\/sh -c #\(nop\)\s*/, '')
    .replace(/^\/bin\/sh -c /, 'RUN ')
    .replace(/\s*# buildkit$/, '')
  return text === '' ? undefined : text
}

/** All of them, those that only changed the config too. */
function Steps({ manifest }: { readonly manifest: Manifest }) {
  const { t } = useTranslation()
  return (
    <Panel title={t('image.steps')} isFlush>
      <ol style={{ margin: 0, padding: '10px 16px 10px 44px' }}>
        {manifest.config?.history.map((step, at) => (
          <li key={at} style={{ padding: '4px 0' }}>
            <Text className="mono wrap" component="div" c={step.isEmptyLayer ? 'dimmed' : 'var(--mantine-color-text)'}>
              {commandOf(step.createdBy) ?? step.comment ?? '–'}
            </Text>
          </li>
        ))}
      </ol>
    </Panel>
  )
}
