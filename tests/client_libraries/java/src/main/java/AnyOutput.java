// SPDX-License-Identifier: MIT

import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.output.NestedMultiOutput;

/** A reply of any shape. Lettuce must be told the shape; its NestedMultiOutput makes a list of what is none. */
final class AnyOutput extends NestedMultiOutput<byte[], byte[]> {
    private boolean isList;

    AnyOutput() {
        super(ByteArrayCodec.INSTANCE);
    }

    @Override
    public void multi(int count) {
        isList = true;
        super.multi(count);
    }

    Object reply() {
        if (hasError()) {
            return Talk.refusal(getError());
        }
        return isList || get() == null || get().isEmpty() ? get() : get().get(0);
    }
}
