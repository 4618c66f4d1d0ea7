import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  // The registry may stand below any path: what is loaded names its neighbours, and the server completes the document.
  base: './',
  resolve: { alias: [{ find: /^#/, replacement: fileURLToPath(new URL('../server/', import.meta.url)) }] },
  html: { cspNonce: '{{nonce}}' },
  build: { target: 'es2023', sourcemap: false, reportCompressedSize: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
})
